package com.samegate.client;

import com.google.protobuf.ByteString;
import java.nio.file.Path;

/** The image of a request: bytes, a file, a URL, or, for searches and comparisons, a stored image. */
public sealed interface ImageSource {
    /**
     * Returns an image of the bytes of an image file; copies them.
     *
     * @param content the bytes of an image file
     * @return the image
     */
    static ImageSource bytes(byte[] content) {
        return new Bytes(ByteString.copyFrom(content));
    }

    /**
     * Returns an image that is read from a file when it is sent.
     *
     * @param path the file
     * @return the image
     */
    static ImageSource file(Path path) {
        return new File(path);
    }

    /**
     * Returns an image that the gateway fetches.
     *
     * @param url http or https, up to 1024 bytes
     * @return the image
     */
    static ImageSource url(String url) {
        return new Url(url);
    }

    /**
     * Returns a stored image. Additions do not accept it.
     *
     * @param contSign the sign of the stored image
     * @return the image
     */
    static ImageSource sign(String contSign) {
        return new Sign(contSign);
    }

    /**
     * The bytes of an image file.
     *
     * @param content the bytes
     */
    record Bytes(ByteString content) implements ImageSource {
        /** Returns the number of the bytes: an image belongs in no log. */
        @Override
        public String toString() {
            return "Bytes[size=" + content.size() + "]";
        }
    }

    /**
     * A file, read when it is sent.
     *
     * @param path the file
     */
    record File(Path path) implements ImageSource {}

    /**
     * An image that the gateway fetches.
     *
     * @param url http or https, up to 1024 bytes
     */
    record Url(String url) implements ImageSource {}

    /**
     * A stored image.
     *
     * @param contSign its sign
     */
    record Sign(String contSign) implements ImageSource {}
}
