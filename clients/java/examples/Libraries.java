import com.samegate.client.SamegateClient;
import com.samegate.client.SamegateException;
import com.samegate.v1.LibraryInfo;
import java.time.Duration;

/**
 * Prints the libraries that a key may use, each with the number of its images; errors in one line.
 *
 * <p>Usage: Libraries HOST:PORT
 */
class Libraries {
    public static void main(String[] arguments) {
        String key = System.getenv("SAMEGATE_API_KEY");
        try (SamegateClient samegate =
                SamegateClient.builder(arguments[0]).apiKey(key).timeout(Duration.ofSeconds(10)).build()) {
            for (LibraryInfo library : samegate.libraries()) {
                String count = library.hasImageCount() ? Long.toString(library.getImageCount()) : "?";
                System.out.println(library.getLibrary() + " " + count);
            }
        } catch (SamegateException error) {
            System.err.println(error.getMessage());
            System.exit(1);
        }
    }
}
