import java.io.BufferedReader;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.HttpURLConnection;
import java.net.URL;
import java.net.URLEncoder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;

/**
 * The vendor's Java samples: HttpURLConnection, with a form that is put together as a text, in which
 * only the image is escaped; the token by GET.
 *
 * Usage: Client.java BASE KEY SECRET IMAGE; prints the name of each step and its response.
 */
public class Client {
    private static String base;
    private static String token;

    public static void main(String[] args) throws IOException {
        base = args[0];
        String grant = getAuth(args[1], args[2]);
        token = grant.split("\"access_token\":\"")[1].split("\"")[0];
        byte[] imgData = Files.readAllBytes(Path.of(args[3]));
        String image = URLEncoder.encode(Base64.getEncoder().encodeToString(imgData), "UTF-8");
        String brief = "{\"name\":\"海报\", \"id\":\"666\"}";

        System.out.println("token " + grant);
        step("add", "add", "brief=" + brief + "&image=" + image + "&tags=" + "1,1");
        step("add-again", "add", "brief=" + brief + "&image=" + image + "&tags=" + "1,1");
        step("search", "search", "image=" + image);
        step("update-nothing", "update", "image=" + image);
        step("update", "update", "image=" + image + "&brief=" + "new");
        step("search-updated", "search", "image=" + image + "&tags=" + "1");
        step("delete", "delete", "image=" + image);
        step("search-deleted", "search", "image=" + image);
    }

    private static String getAuth(String ak, String sk) throws IOException {
        String url = base + "/oauth/2.0/token?grant_type=client_credentials"
            + "&client_id=" + ak + "&client_secret=" + sk;
        HttpURLConnection connection = (HttpURLConnection) new URL(url).openConnection();
        connection.setRequestMethod("GET");
        connection.connect();
        return read(connection);
    }

    private static void step(String name, String operation, String params) throws IOException {
        String url = base + "/rest/2.0/realtime_search/same_hq/" + operation + "?access_token=" + token;
        HttpURLConnection connection = (HttpURLConnection) new URL(url).openConnection();
        connection.setRequestMethod("POST");
        connection.setRequestProperty("Content-Type", "application/x-www-form-urlencoded");
        connection.setRequestProperty("Connection", "Keep-Alive");
        connection.setUseCaches(false);
        connection.setDoOutput(true);
        connection.setDoInput(true);
        try (DataOutputStream out = new DataOutputStream(connection.getOutputStream())) {
            out.write(params.getBytes("UTF-8"));
        }
        System.out.println(name + " " + read(connection));
    }

    private static String read(HttpURLConnection connection) throws IOException {
        InputStreamReader reader = new InputStreamReader(connection.getInputStream(), "UTF-8");
        StringBuilder result = new StringBuilder();
        try (BufferedReader in = new BufferedReader(reader)) {
            for (String line = in.readLine(); line != null; line = in.readLine()) {
                result.append(line);
            }
        }
        return result.toString();
    }
}
