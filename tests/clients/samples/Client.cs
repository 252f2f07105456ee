// The vendor's C# samples: HttpWebRequest, with a form that is put together as a text and has no
// content type, in which only the image is escaped; the token by GET.
//
// Usage: Client.exe BASE KEY SECRET IMAGE; prints the name of each step and its response.

using System;
using System.IO;
using System.Net;
using System.Text;

public static class Client
{
    static string host;
    static string token;

    public static void Main(string[] args)
    {
        host = args[0];
        string grant = GetAccessToken(args[1], args[2]);
        token = grant.Split(new[] { "\"access_token\":\"" }, StringSplitOptions.None)[1].Split('"')[0];
        string image = WebUtility.UrlEncode(Convert.ToBase64String(File.ReadAllBytes(args[3])));
        string brief = "{\"name\":\"海报\", \"id\":\"666\"}";

        Console.WriteLine("token " + grant);
        Step("add", "add", "brief=" + brief + "&image=" + image + "&tags=" + "1,1");
        Step("add-again", "add", "brief=" + brief + "&image=" + image + "&tags=" + "1,1");
        Step("search", "search", "image=" + image);
        Step("update-nothing", "update", "image=" + image);
        Step("update", "update", "image=" + image + "&brief=" + "new");
        Step("search-updated", "search", "image=" + image + "&tags=" + "1");
        Step("delete", "delete", "image=" + image);
        Step("search-deleted", "search", "image=" + image);
    }

    static string GetAccessToken(string clientId, string clientSecret)
    {
        string url = host + "/oauth/2.0/token?grant_type=client_credentials"
            + "&client_id=" + clientId + "&client_secret=" + clientSecret;
        return Read((HttpWebRequest)WebRequest.Create(url));
    }

    static void Step(string name, string operation, string str)
    {
        string url = host + "/rest/2.0/realtime_search/same_hq/" + operation + "?access_token=" + token;
        HttpWebRequest request = (HttpWebRequest)WebRequest.Create(url);
        request.Method = "post";
        request.KeepAlive = true;
        byte[] buffer = Encoding.UTF8.GetBytes(str);
        request.ContentLength = buffer.Length;
        // The samples leave it open: they end after one call.
        using (Stream stream = request.GetRequestStream())
        {
            stream.Write(buffer, 0, buffer.Length);
        }
        Console.WriteLine(name + " " + Read(request));
    }

    static string Read(HttpWebRequest request)
    {
        using (HttpWebResponse response = (HttpWebResponse)request.GetResponse())
        using (StreamReader reader = new StreamReader(response.GetResponseStream(), Encoding.UTF8))
        {
            return reader.ReadToEnd();
        }
    }
}
