// A real OpenID Connect provider on loopback: npm's certified `oidc-provider`, with its own pages to sign in.
// Any login of ACCOUNTS is let in, whatever the password; prints {"port": …} once it listens.
import { createServer } from "node:http";
import Provider from "oidc-provider";

const accounts = JSON.parse(process.env.ACCOUNTS);
const server = createServer();
server.listen(0, "127.0.0.1", () => {
  const { port } = server.address();
  const provider = new Provider(`http://localhost:${port}`, {
    clients: [
      {
        client_id: "zrm",
        client_secret: process.env.CLIENT_SECRET,
        redirect_uris: [process.env.REDIRECT_URI],
        grant_types: ["authorization_code"],
        response_types: ["code"],
      },
    ],
    pkce: { required: () => true },
    claims: { openid: ["sub"], profile: ["preferred_username"], email: ["email", "email_verified"] },
    cookies: { keys: ["a key of this test"] },
    // As the standard has it, names and addresses are told at the UserInfo endpoint; many products put them into the token.
    conformIdTokenClaims: process.env.CLAIMS_IN_TOKEN !== "1",
    findAccount: (_context, id) => (id in accounts ? { accountId: id, claims: () => ({ sub: id, ...accounts[id] }) } : undefined),
  });
  server.on("request", provider.callback());
  console.log(JSON.stringify({ port }));
});
