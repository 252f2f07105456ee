import com.samegate.client.SamegateClient;
import com.samegate.v1.LibraryInfo;
import io.grpc.ChannelCredentials;
import io.grpc.TlsChannelCredentials;
import java.io.File;
import java.io.IOException;

/**
 * Calls a gateway that asks for a client certificate; the certificate names the tenant.
 *
 * <p>Usage: Mtls HOST:PORT CA_FILE CERTIFICATE_FILE KEY_FILE
 */
class Mtls {
    public static void main(String[] arguments) throws IOException {
        ChannelCredentials tls =
                TlsChannelCredentials.newBuilder()
                        .trustManager(new File(arguments[1]))
                        .keyManager(new File(arguments[2]), new File(arguments[3]))
                        .build();
        try (SamegateClient samegate = SamegateClient.builder(arguments[0]).credentials(tls).build()) {
            for (LibraryInfo library : samegate.libraries()) {
                System.out.println(library.getLibrary());
            }
        }
    }
}
