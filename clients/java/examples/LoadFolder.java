import com.samegate.client.ImageSource;
import com.samegate.client.Item;
import com.samegate.client.Outcome;
import com.samegate.client.Outcomes;
import com.samegate.client.SamegateClient;
import com.samegate.v1.AddImagesResult;
import java.io.IOException;
import java.io.Writer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;

/**
 * Loads a folder of pictures; a second run sends only what the first one has not.
 *
 * <p>Usage: LoadFolder HOST:PORT FOLDER
 *
 * <p>The file {@code .loaded} in the folder lists what is stored. A line is written when the gateway has
 * acknowledged the picture, which is on the disk then.
 */
class LoadFolder {
    public static void main(String[] arguments) throws IOException {
        Path folder = Path.of(arguments[1]);
        Path journal = folder.resolve(".loaded");
        Set<String> stored = new HashSet<>(Files.exists(journal) ? Files.readAllLines(journal) : List.of());
        List<String> files;
        try (Stream<Path> paths = Files.walk(folder)) {
            files =
                    paths.filter(path -> !Files.isDirectory(path))
                            .map(path -> folder.relativize(path).toString())
                            .filter(name -> name.matches("(?i).*\\.(jpe?g|png|bmp|webp|gif|tiff?)"))
                            .filter(name -> !stored.contains(name))
                            .sorted()
                            .toList();
        }
        System.out.printf("%d to send, %d stored by earlier runs%n", files.size(), stored.size());
        // The client takes an item when the gateway has room for it, so pictures are not held in memory.
        Stream<Item> items = files.stream().map(name -> new Item(ImageSource.file(folder.resolve(name)), name));
        int number = 0;
        int failed = 0;
        String key = System.getenv("SAMEGATE_API_KEY");
        try (SamegateClient samegate = SamegateClient.builder(arguments[0]).apiKey(key).build();
                Outcomes<Item, AddImagesResult> outcomes = samegate.addAll(items::iterator);
                Writer done =
                        Files.newBufferedWriter(journal, StandardOpenOption.CREATE, StandardOpenOption.APPEND)) {
            for (Outcome<Item, AddImagesResult> outcome : outcomes) {
                number++;
                if (outcome.error() != null) {
                    failed++;
                    System.err.println(outcome.item().brief() + ": " + outcome.error().getMessage());
                } else {
                    done.append(outcome.item().brief()).append("\n").flush();
                }
                if (number % 100 == 0 || number == files.size()) {
                    System.out.printf("%d of %d, %d failed%n", number, files.size(), failed);
                }
            }
        }
        System.exit(failed == 0 ? 0 : 1);
    }
}
