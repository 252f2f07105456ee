import com.samegate.client.ImageSource;
import com.samegate.client.SamegateClient;
import com.samegate.v1.AddImageResponse;
import com.samegate.v1.Match;
import com.samegate.v1.OnDuplicate;
import java.nio.file.Path;

/**
 * Adds a picture and finds it by another one.
 *
 * <p>Usage: AddAndSearch HOST:PORT STORED QUERY
 */
class AddAndSearch {
    public static void main(String[] arguments) {
        Path stored = Path.of(arguments[1]);
        Path query = Path.of(arguments[2]);
        String key = System.getenv("SAMEGATE_API_KEY");
        try (SamegateClient samegate = SamegateClient.builder(arguments[0]).apiKey(key).build()) {
            // With ACCEPT it is no error that the same bytes are stored already.
            AddImageResponse added =
                    samegate.add(
                            ImageSource.file(stored),
                            request ->
                                    request.setBrief(stored.getFileName().toString())
                                            .setOnDuplicate(OnDuplicate.ON_DUPLICATE_ACCEPT));
            System.out.println("stored as " + added.getContSign() + (added.getExisted() ? " before" : " now"));
            for (Match match :
                    samegate.search(ImageSource.file(query), request -> request.setLimit(10)).getMatchesList()) {
                System.out.printf(
                        "%.1f%%  %s  %s%n", 100 * match.getScore(), match.getContSign(), match.getBrief());
            }
        }
    }
}
