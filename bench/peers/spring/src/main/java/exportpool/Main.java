package exportpool;

import com.sun.net.httpserver.HttpServer;
import io.awspring.cloud.sqs.listener.SqsMessageListenerContainer;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.sqs.SqsAsyncClient;

/** Spring Cloud AWS takes messages and works on each with a thread; acknowledgements go in batches, its default. */
public final class Main {
    /** The container takes no more than this at a time. Its default, and the most messages of one receive. */
    private static final int LEAST_CONCURRENT = 10;

    private Main() {}

    public static void main(String[] arguments) throws Exception {
        var workers = Integer.parseInt(System.getenv().getOrDefault("WORKER_POOL_SIZE", "4"));
        var endpoint = URI.create(System.getenv("AWS_ENDPOINT"));
        var region = Region.of(System.getenv("AWS_REGION"));
        var task = new Task(endpoint, region, System.getenv("S3_BUCKET"), System.getenv("DYNAMODB_TABLE"));
        var sqs = SqsAsyncClient.builder().endpointOverride(endpoint).region(region).build();
        var container = SqsMessageListenerContainer.<String>builder()
                .sqsAsyncClient(sqs)
                .queueNames(System.getenv("SQS_DOWNLOAD_TASKS_URL"))
                .configure(options -> options.maxConcurrentMessages(Math.max(LEAST_CONCURRENT, workers)))
                .messageListener(message -> task.run(message.getPayload()))
                .build();
        container.start();
        var server = HttpServer.create(
                new InetSocketAddress(InetAddress.getLoopbackAddress(), Integer.parseInt(System.getenv("PORT"))), 0);
        server.createContext("/", exchange -> {
            var answer = "{}".getBytes();
            exchange.sendResponseHeaders(200, answer.length);
            exchange.getResponseBody().write(answer);
            exchange.close();
        });
        server.start();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            container.stop();
            server.stop(0);
        }));
    }
}
