import com.samegate.client.Duplicates;
import com.samegate.client.SamegateClient;
import com.samegate.v1.DuplicateGroup;
import com.samegate.v1.DuplicatePair;
import com.samegate.v1.Image;
import java.util.Collections;
import java.util.Comparator;

/**
 * Prints the groups of same pictures, and the cursor for the next run.
 *
 * <p>Usage: FindDuplicates HOST:PORT [CURSOR]
 */
class FindDuplicates {
    private static final Comparator<Image> BY_SIZE =
            Comparator.comparingLong(image -> (long) image.getWidth() * image.getHeight());

    public static void main(String[] arguments) {
        String cursor = arguments.length > 1 ? arguments[1] : "";
        String key = System.getenv("SAMEGATE_API_KEY");
        try (SamegateClient samegate = SamegateClient.builder(arguments[0]).apiKey(key).build();
                Duplicates duplicates =
                        samegate.findDuplicates(request -> request.setMinScore(0.8).setCursor(cursor))) {
            for (DuplicateGroup group : duplicates) {
                Image largest = Collections.max(group.getImagesList(), BY_SIZE);
                System.out.printf(
                        "%d pictures; the largest is %s %s%n",
                        group.getImagesCount(), largest.getContSign(), largest.getBrief());
                for (DuplicatePair pair : group.getPairsList()) {
                    System.out.printf("  %.1f%%  %s  %s%n", 100 * pair.getScore(), pair.getA(), pair.getB());
                }
            }
            System.out.printf("compared %d; next time from %s%n", duplicates.compared(), duplicates.cursor());
        }
    }
}
