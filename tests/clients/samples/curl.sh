#!/usr/bin/env bash
# The vendor's curl samples: the token by GET, the image as base64, escaped by hand, in a form.
#
# Usage: curl.sh BASE KEY SECRET IMAGE; prints the name of each step and its response.
set -euo pipefail

base=$1 key=$2 secret=$3
image=$(base64 -w0 "$4" | sed 's/+/%2B/g; s,/,%2F,g; s/=/%3D/g')
brief='{"name":"海报", "id":"666"}'

post() { # OPERATION FORM
    curl --silent --insecure \
        "$base/rest/2.0/realtime_search/same_hq/$1?access_token=$token" \
        --header 'Content-Type:application/x-www-form-urlencoded' --data @- <<<"$2"
}

grant=$(curl --silent --insecure \
    "$base/oauth/2.0/token?grant_type=client_credentials&client_id=$key&client_secret=$secret")
token=$(sed 's/.*"access_token":"\([^"]*\)".*/\1/' <<<"$grant")
echo "token $grant"
echo "add $(post add "brief=$brief&image=$image&tags=1,1")"
echo "add-again $(post add "brief=$brief&image=$image&tags=1,1")"
echo "search $(post search "image=$image")"
echo "update-nothing $(post update "image=$image")"
echo "update $(post update "image=$image&brief=new")"
echo "search-updated $(post search "image=$image&tags=1")"
echo "delete $(post delete "image=$image")"
echo "search-deleted $(post search "image=$image")"
