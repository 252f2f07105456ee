// The vendor's C++ samples: libcurl, with a multipart body from the old function curl_formadd; the
// token by GET.
//
// Usage: client BASE KEY SECRET IMAGE; prints the name of each step and its response.

#include <curl/curl.h>

#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

using Fields = std::vector<std::pair<std::string, std::string>>;

static size_t callback(void *ptr, size_t size, size_t nmemb, void *result) {
    static_cast<std::string *>(result)->append(static_cast<char *>(ptr), size * nmemb);
    return size * nmemb;
}

static std::string perform(const std::string &url, curl_httppost *post) {
    std::string result;
    CURL *curl = curl_easy_init();
    curl_easy_setopt(curl, CURLOPT_URL, url.data());
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
    if (post) {
        curl_easy_setopt(curl, CURLOPT_POST, 1L);
        curl_easy_setopt(curl, CURLOPT_HTTPPOST, post);
    }
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, callback);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &result);
    CURLcode code = curl_easy_perform(curl);
    if (code != CURLE_OK) {
        std::cerr << "curl_easy_perform() failed: " << curl_easy_strerror(code) << std::endl;
    }
    curl_easy_cleanup(curl);
    return result;
}

static std::string base64(const std::string &bytes) {
    const char *alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string text;
    unsigned bits = 0, length = 0;
    for (unsigned char byte : bytes) {
        bits = bits << 8 | byte;
        for (length += 8; length >= 6; length -= 6) {
            text += alphabet[bits >> (length - 6) & 63];
        }
    }
    if (length > 0) {
        text += alphabet[bits << (6 - length) & 63];
    }
    return text.append((4 - text.size() % 4) % 4, '=');
}

static std::string base, token;

static void step(const char *name, const std::string &operation, const Fields &fields) {
    curl_httppost *post = NULL;
    curl_httppost *last = NULL;
    for (const auto &field : fields) {
        curl_formadd(&post, &last, CURLFORM_COPYNAME, field.first.data(),
                     CURLFORM_COPYCONTENTS, field.second.data(), CURLFORM_END);
    }
    std::string url = base + "/rest/2.0/realtime_search/same_hq/" + operation;
    std::cout << name << " " << perform(url + "?access_token=" + token, post) << std::endl;
    curl_formfree(post);
}

int main(int, char **argv) {
    base = argv[1];
    std::string grant = perform(base + "/oauth/2.0/token?grant_type=client_credentials&client_id=" +
                                argv[2] + "&client_secret=" + argv[3], NULL);
    const std::string field = "\"access_token\":\"";
    size_t start = grant.find(field) + field.size();
    token = grant.substr(start, grant.find('"', start) - start);
    std::ifstream file(argv[4], std::ios::binary);
    std::string image = base64(std::string(std::istreambuf_iterator<char>(file), {}));
    std::string brief = "{\"name\":\"海报\", \"id\":\"666\"}";

    std::cout << "token " << grant << std::endl;
    step("add", "add", {{"brief", brief}, {"image", image}, {"tags", "1,1"}});
    step("add-again", "add", {{"brief", brief}, {"image", image}, {"tags", "1,1"}});
    step("search", "search", {{"image", image}});
    step("update-nothing", "update", {{"image", image}});
    step("update", "update", {{"image", image}, {"brief", "new"}});
    step("search-updated", "search", {{"image", image}, {"tags", "1"}});
    step("delete", "delete", {{"image", image}});
    step("search-deleted", "search", {{"image", image}});
}
