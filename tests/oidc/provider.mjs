// A certified OpenID provider for the tests. It listens on loopback, at the port it is given or at any that is free,
// prints its URL, and becomes what `PUT /configuration` says: {"keys", "clients", "lifetimes"}, as often as a test wants.
import { createRequire } from "node:module";
import http from "node:http";
import { pathToFileURL } from "node:url";

// Node looks for packages beside this file; they are where the first argument says.
const [packages, port] = process.argv.slice(2);
const found = createRequire(pathToFileURL(`${packages}/`)).resolve("oidc-provider");
const { default: Provider } = await import(pathToFileURL(found));

const RESOURCE = "urn:layer";

function provider(issuer, { keys, clients, lifetimes }) {
  return new Provider(issuer, {
    clients,
    jwks: { keys },
    scopes: ["layer-sdk"],
    clientAuthMethods: ["client_secret_post", "client_secret_basic", "private_key_jwt"],
    ttl: { ClientCredentials: (_context, _token, client) => lifetimes[client.clientId] },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => RESOURCE,
        // A signed token with an audience: an opaque one, which is the default, could be verified here alone.
        getResourceServerInfo: () => ({
          audience: "layer",
          scope: "layer-sdk",
          accessTokenFormat: "jwt",
          jwt: { sign: { alg: "RS256" } },
        }),
      },
    },
  }).callback();
}

async function body(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).toString("utf8"));
}

let answer = (_request, response) => response.writeHead(503).end();
const server = http.createServer(async (request, response) => {
  if (request.url !== "/configuration") return answer(request, response);
  try {
    answer = provider(`http://127.0.0.1:${server.address().port}`, await body(request));
    response.writeHead(204).end();
  } catch (error) {
    response.writeHead(400).end(String(error.stack));
  }
});
server.listen(Number(port), "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
// Whoever started this and is gone has closed the pipe.
process.stdin.resume().on("end", () => process.exit(0));
