<?php
// The vendor's PHP samples: curl, with the fields as an array, which it sends as multipart/form-data;
// the token by POST, with the fields as a text.
//
// Usage: client.php BASE KEY SECRET IMAGE; prints the name of each step and its response.

[, $base, $key, $secret, $file] = $argv;

function request_post($url, $param)
{
    $curl = curl_init();
    curl_setopt($curl, CURLOPT_URL, $url);
    curl_setopt($curl, CURLOPT_HEADER, 0);
    curl_setopt($curl, CURLOPT_RETURNTRANSFER, 1);
    curl_setopt($curl, CURLOPT_SSL_VERIFYPEER, false);
    curl_setopt($curl, CURLOPT_POST, 1);
    curl_setopt($curl, CURLOPT_POSTFIELDS, $param);
    $data = curl_exec($curl);
    curl_close($curl);
    return $data;
}

$fields = ['grant_type' => 'client_credentials', 'client_id' => $key, 'client_secret' => $secret];
$grant = request_post("$base/oauth/2.0/token", http_build_query($fields));
$token = json_decode($grant)->access_token;

function step($name, $operation, $bodys)
{
    global $base, $token;
    $url = "$base/rest/2.0/realtime_search/same_hq/$operation?access_token=$token";
    echo "$name ", request_post($url, $bodys), "\n";
}

$image = base64_encode(file_get_contents($file));
$brief = '{"name":"海报", "id":"666"}';
echo "token $grant\n";
step('add', 'add', ['brief' => $brief, 'image' => $image, 'tags' => '1,1']);
step('add-again', 'add', ['brief' => $brief, 'image' => $image, 'tags' => '1,1']);
step('search', 'search', ['image' => $image]);
step('update-nothing', 'update', ['image' => $image]);
step('update', 'update', ['image' => $image, 'brief' => 'new']);
step('search-updated', 'search', ['image' => $image, 'tags' => '1']);
step('delete', 'delete', ['image' => $image]);
step('search-deleted', 'search', ['image' => $image]);
