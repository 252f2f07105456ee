package com.samegate.client;

import com.google.protobuf.ByteString;
import com.google.protobuf.UnsafeByteOperations;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Consumer;

/** Puts the image of a request into its message. */
final class Sources {
    /** For requests that need the image itself. */
    static final Consumer<String> NO_SIGN =
            sign -> {
                throw new IllegalArgumentException("an addition needs an image, not the sign of one");
            };

    /** A message has less than 2 GiB, with the fields around the image. */
    private static final long MAX_BYTES = Integer.MAX_VALUE - 1024;

    private Sources() {}

    /** Calls the setter of the field that names the image; reads a file. */
    static void set(
            ImageSource image, Consumer<ByteString> content, Consumer<String> url, Consumer<String> sign) {
        if (image instanceof ImageSource.Bytes bytes) {
            content.accept(bytes.content());
        } else if (image instanceof ImageSource.File file) {
            content.accept(read(file.path()));
        } else if (image instanceof ImageSource.Url address) {
            url.accept(address.url());
        } else if (image instanceof ImageSource.Sign stored) {
            sign.accept(stored.contSign());
        } else {
            throw new NullPointerException("image");
        }
    }

    private static ByteString read(Path path) {
        try {
            // Of `readAllBytes`, this would be an OutOfMemoryError, like a full heap.
            if (Files.size(path) > MAX_BYTES) {
                throw unreadable(path, "2 GiB or more", null);
            }
            return UnsafeByteOperations.unsafeWrap(Files.readAllBytes(path));
        } catch (IOException error) {
            throw unreadable(path, cause(error), error);
        }
    }

    private static SamegateException unreadable(Path path, String cause, IOException error) {
        return SamegateException.local("FILE_UNREADABLE", "cannot read `" + path + "`: " + cause, error);
    }

    /** The class says what happened: the message is often only the path. */
    private static String cause(IOException error) {
        return error.getClass().getSimpleName().replace("Exception", "");
    }
}
