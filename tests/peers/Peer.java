// A client of Java's standard library. Its calls are told one a line, as JSON, as it saw them.
//
//   java Peer.java PORT HTTP_1_1|HTTP_2 [TLSv1.2|TLSv1.3 CERT]
//
// In the clear, HTTP_2 asks for an upgrade.
import java.io.FileInputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.TrustManagerFactory;

class Peer {
    public static void main(String[] args) throws Exception {
        System.setProperty("java.net.preferIPv4Stack", "true");
        var client = HttpClient.newBuilder().version(HttpClient.Version.valueOf(args[1]));
        boolean secured = args.length > 2;
        if (secured) {
            client.sslContext(trusting(args[3])).sslParameters(new SSLParameters(null, new String[] {args[2]}));
        }
        var built = client.build();
        String authority = "localhost:" + args[0];
        Object[][] asks = {
            {"GET", "/bytes/1000", 0}, {"POST", "/echo", 5000}, {"GET", "/bytes/17", 0},
            {"PUT", "/echo", 60000}, {"GET", "/missing", 0}, {"GET", "/bytes/100000", 0},
        };
        for (int number = 0; number < asks.length; number++) {
            String method = (String) asks[number][0], path = (String) asks[number][1];
            int size = (int) asks[number][2];
            var body = size == 0 ? BodyPublishers.noBody() : BodyPublishers.ofByteArray(new byte[size]);
            var request = HttpRequest.newBuilder(URI.create((secured ? "https://" : "http://") + authority + path))
                .header("X-Call", Integer.toString(number)).method(method, body).build();
            var response = built.send(request, BodyHandlers.ofByteArray());
            String protocol = response.version() == HttpClient.Version.HTTP_2 ? "h2" : "http/1.1";
            String tls = response.sslSession().map(session -> String.format(
                "{\"version\":\"%s\",\"cipher\":\"%s\",\"server_name\":\"localhost\"}",
                session.getProtocol().substring(4), session.getCipherSuite())).orElse("null");
            System.out.printf(
                "{\"call\":\"%d\",\"protocol\":\"%s\",\"method\":\"%s\",\"authority\":\"%s\",\"path\":\"%s\",\"status\":%d,"
                + "\"tls\":%s,\"request\":{\"body_bytes\":%d},\"response\":{\"body_bytes\":%d}}%n",
                number, protocol, method, authority, path, response.statusCode(), tls, size, response.body().length);
        }
    }

    private static SSLContext trusting(String file) throws Exception {
        var store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        try (var in = new FileInputStream(file)) {
            store.setCertificateEntry("server", CertificateFactory.getInstance("X.509").generateCertificate(in));
        }
        var trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(store);
        var context = SSLContext.getInstance("TLS");
        context.init(null, trust.getTrustManagers(), null);
        return context;
    }
}
