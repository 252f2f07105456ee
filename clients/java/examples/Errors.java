import com.samegate.client.ImageSource;
import com.samegate.client.SamegateClient;
import com.samegate.client.SamegateException;
import io.grpc.Status;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;

/**
 * Shows every kind of error, and what to do about it.
 *
 * <p>Usage: Errors HOST:PORT PICTURE
 */
class Errors {
    public static void main(String[] arguments) {
        ImageSource picture = ImageSource.file(Path.of(arguments[1]));
        String key = System.getenv("SAMEGATE_API_KEY");
        try (SamegateClient samegate = SamegateClient.builder(arguments[0]).apiKey(key).build()) {
            System.out.println("stored as " + addOnce(samegate, picture) + " " + addOnce(samegate, picture));
            String brief = "x".repeat(257);
            List<Runnable> calls =
                    List.of(
                            () -> samegate.search(ImageSource.bytes("not a picture".getBytes())),
                            () -> samegate.add(picture, request -> request.setBrief(brief).addTags(0)),
                            () -> samegate.get("1,1"),
                            () -> samegate.search(ImageSource.file(Path.of("no such file"))));
            for (Runnable call : calls) {
                try {
                    call.run();
                } catch (SamegateException error) {
                    System.out.println(error.reason() + ": " + error.description() + ": " + explain(error));
                }
            }
        }
    }

    /** Adds a picture; returns its sign, also if it is stored already. */
    static String addOnce(SamegateClient samegate, ImageSource picture) {
        try {
            return samegate.add(picture).getContSign();
        } catch (SamegateException error) {
            if (error.reason().equals("IMAGE_ALREADY_EXISTS")) {
                return error.contSign();
            }
            throw error;
        }
    }

    /** Says whose turn it is. */
    static String explain(SamegateException error) {
        if (!error.violations().isEmpty()) {
            return error.violations().stream()
                    .map(each -> each.field() + ": " + each.description())
                    .collect(Collectors.joining(", ", "change the request (", ")"));
        }
        if (error.code() == Status.Code.UNAUTHENTICATED || error.code() == Status.Code.PERMISSION_DENIED) {
            return "check the key";
        }
        if (error.code() == Status.Code.NOT_FOUND) {
            return "there is no such image or library";
        }
        if (error.isTransient()) {
            // The client has tried again already, as often as it may within its timeout.
            String wait = error.retryAfter().map(time -> " after " + time.toMillis() / 1000.0 + " s").orElse("");
            return "try again later" + wait;
        }
        return "tell the operator of the gateway, with the reason";
    }
}
