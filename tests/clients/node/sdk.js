// The vendor's SDK for Node, with the URL of a gateway.
//
// Usage: sdk.js BASE KEY SECRET IMAGE; prints the name of each step and its response.
"use strict";

const fs = require("node:fs");

const { HttpClient, imageSearch: AipImageSearch } = require("baidu-aip-sdk");

function useGateway(base) {
  HttpClient.setRequestInterceptor((options) => {
    options.url = options.url.replace("https://aip.baidubce.com", base);
    delete options.headers?.Host;
    return options;
  });
}

async function main(base, key, secret, file) {
  useGateway(base);
  const client = new AipImageSearch("", key, secret);
  const image = fs.readFileSync(file).toString("base64");
  const print = (name, response) => console.log(name, JSON.stringify(response));

  const tags = { tags: "1,1" };
  print("add", await client.sameHqAdd(image, '{"name":"海报", "id":"666"}', tags));
  const again = await client.sameHqAdd(image, "again", tags);
  print("add-again", again);
  print("search", await client.sameHqSearch(image));
  print("update", await client.sameHqUpdateContSign(again.cont_sign, { brief: "new" }));
  print("search-updated", await client.sameHqSearch(image, { tags: "1" }));
  print("delete", await client.sameHqDeleteByImage(image));
  print("search-deleted", await client.sameHqSearch(image));
}

main(...process.argv.slice(2));
