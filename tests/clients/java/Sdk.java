import com.baidu.aip.http.AipHttpClient;
import com.baidu.aip.http.AipRequest;
import com.baidu.aip.imagesearch.AipImageSearch;
import com.baidu.aip.util.AipClientConfiguration;
import java.util.Calendar;
import java.util.HashMap;
import java.util.Map;
import org.json.JSONObject;

/**
 * The vendor's SDK for Java, with the URL of a gateway.
 *
 * Usage: Sdk.java BASE KEY SECRET IMAGE; prints the name of each step and its response. It has no log4j
 * configuration, as an application that uses only the SDK.
 */
public class Sdk {
    public static void main(String[] args) {
        String image = args[3];
        HashMap<String, String> none = new HashMap<>();
        HashMap<String, String> tags = new HashMap<>(Map.of("tags", "1,1"));
        AipImageSearch client = new GatewayImageSearch(args[0], args[1], args[2]);

        print("add", client.sameHqAdd(image, "{\"name\":\"海报\", \"id\":\"666\"}", tags));
        JSONObject again = client.sameHqAdd(image, "again", tags);
        print("add-again", again);
        print("search", client.sameHqSearch(image, none));
        HashMap<String, String> brief = new HashMap<>(Map.of("brief", "new"));
        print("update", client.sameHqUpdateContSign(again.getString("cont_sign"), brief));
        print("search-updated", client.sameHqSearch(image, new HashMap<>(Map.of("tags", "1"))));
        print("delete", client.sameHqDeleteByImage(image, none));
        print("search-deleted", client.sameHqSearch(image, none));
    }

    private static void print(String name, JSONObject response) {
        System.out.println(name + " " + response);
    }
}

/** Calls a gateway instead of the vendor. */
class GatewayImageSearch extends AipImageSearch {
    private final String base;

    GatewayImageSearch(String base, String apiKey, String secretKey) {
        super("", apiKey, secretKey);
        this.base = base;
    }

    @Override
    protected JSONObject requestServer(AipRequest request) {
        request.setUri(base + request.getUri().getPath());
        return super.requestServer(request);
    }

    @Override
    protected synchronized void getAccessToken(AipClientConfiguration config) {
        if (!needAuth()) {
            return;
        }
        AipRequest request = new AipRequest();
        request.setUri(base + "/oauth/2.0/token");
        request.addBody("grant_type", "client_credentials");
        request.addBody("client_id", aipKey);
        request.addBody("client_secret", aipToken);
        request.setConfig(config);
        JSONObject grant = new JSONObject(AipHttpClient.post(request).getBodyStr());
        accessToken = grant.getString("access_token");
        expireDate = Calendar.getInstance();
        expireDate.add(Calendar.SECOND, grant.getInt("expires_in"));
        isAuthorized.set(true);
    }
}
