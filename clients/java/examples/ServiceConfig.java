import com.google.gson.Gson;
import com.samegate.v1.GetLibraryRequest;
import com.samegate.v1.SameImageServiceGrpc;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.MetadataUtils;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Scanner;
import java.util.concurrent.TimeUnit;

/**
 * Calls gateways with the generated stub alone: retries and health checks are gRPC's own. Makes one call for each
 * line of its input, and prints its response or its error.
 *
 * <p>Usage: ServiceConfig TARGET FILE
 *
 * <p>TARGET is a name of all gateways, such as dns:///samegate-headless:50051; FILE is clients/service_config.json.
 * Health checks need {@code grpc-services} in the class path, reading the file {@code com.google.code.gson:gson}.
 *
 * <p>gRPC-Java has no limit for the time between two tries to connect, up to 2 min: for that long, calls wait for a
 * gateway that is back, if all were away. {@code ManagedChannel.resetConnectBackoff} ends that time.
 */
class ServiceConfig {
    public static void main(String[] arguments) throws IOException {
        ManagedChannel channel =
                Grpc.newChannelBuilder(arguments[0], InsecureChannelCredentials.create())
                        .defaultServiceConfig(read(Path.of(arguments[1])))
                        // What a service config cannot say: by default gRPC retries no request above 1 MiB.
                        .perRpcBufferLimit(64 << 20)
                        .retryBufferSize(256 << 20)
                        // By default there are no pings, and a connection that is lost without a word hangs.
                        .keepAliveTime(1, TimeUnit.MINUTES)
                        .build();
        Metadata headers = new Metadata();
        headers.put(
                Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER),
                "Bearer " + System.getenv("SAMEGATE_API_KEY"));
        SameImageServiceGrpc.SameImageServiceBlockingStub stub =
                SameImageServiceGrpc.newBlockingStub(channel)
                        .withInterceptors(MetadataUtils.newAttachHeadersInterceptor(headers));
        for (Scanner input = new Scanner(System.in); input.hasNextLine(); input.nextLine()) {
            try {
                long count = stub.getLibrary(GetLibraryRequest.getDefaultInstance()).getImageCount();
                System.out.println(count + " images");
            } catch (StatusRuntimeException error) {
                System.out.println(error.getMessage());
            }
        }
        channel.shutdownNow();
    }

    /**
     * Reads the file, without the retry policy of AddImage and DeleteImages: gRPC-Java retries a call with a policy
     * after every pushback, also after UNAVAILABLE, when the gateway may have done its work.
     */
    @SuppressWarnings("unchecked")
    static Map<String, ?> read(Path file) throws IOException {
        Map<String, ?> config = new Gson().fromJson(Files.readString(file), Map.class);
        for (Map<String, ?> methods : (List<Map<String, ?>>) config.get("methodConfig")) {
            Map<String, ?> policy = (Map<String, ?>) methods.get("retryPolicy");
            if (!((List<String>) policy.get("retryableStatusCodes")).contains("UNAVAILABLE")) {
                methods.remove("retryPolicy");
            }
        }
        return config;
    }
}
