package exportpool;

import tools.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Map;
import software.amazon.awssdk.core.sync.RequestBody;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.dynamodb.DynamoDbClient;
import software.amazon.awssdk.services.dynamodb.model.AttributeValue;
import software.amazon.awssdk.services.s3.S3Client;

/** One task: mark, download, hash, put, mark. */
final class Task {
    private final DynamoDbClient dynamodb;
    private final S3Client s3;
    private final HttpClient http = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    private final ObjectMapper json = new ObjectMapper();
    private final String bucket;
    private final String table;

    Task(URI endpoint, Region region, String bucket, String table) {
        this.dynamodb = DynamoDbClient.builder().endpointOverride(endpoint).region(region).build();
        this.s3 = S3Client.builder().endpointOverride(endpoint).region(region).forcePathStyle(true).build();
        this.bucket = bucket;
        this.table = table;
    }

    void run(String body) {
        try {
            export(body);
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException(error);
        }
    }

    private void export(String body) throws IOException, InterruptedException {
        var task = json.readTree(body);
        var job = task.get("jobId").asString();
        var id = task.get("taskId").asString();
        var url = task.get("url").asString();
        var key = Map.of("pk", text("tasks#" + job + "#0"), "sk", text("task#" + id));
        mark(key, "SET #state = :state, claimedAt = :now, sourceUrl = :url",
                Map.of(":state", text("running"), ":now", now(), ":url", text(url)));
        var response = http.send(HttpRequest.newBuilder(URI.create(url)).build(), BodyHandlers.ofByteArray());
        if (response.statusCode() != 200) {
            throw new IOException(response.statusCode() + " " + url);
        }
        var file = response.body();
        var hash = sha256(file);
        s3.putObject(
                put -> put.bucket(bucket).key(job + "/" + id)
                        .contentType(response.headers().firstValue("content-type").orElse(null))
                        .metadata(Map.of("job", job, "task", id, "sha256", hash)),
                RequestBody.fromBytes(file));
        mark(key, "SET #state = :state, settledAt = :now, sha256 = :hash, bytes = :bytes",
                Map.of(":state", text("done"), ":now", now(), ":hash", text(hash),
                        ":bytes", number(file.length)));
    }

    private void mark(Map<String, AttributeValue> key, String update, Map<String, AttributeValue> values) {
        dynamodb.updateItem(item -> item.tableName(table).key(key).updateExpression(update)
                .expressionAttributeNames(Map.of("#state", "state")).expressionAttributeValues(values));
    }

    private static String sha256(byte[] file) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(file));
        } catch (NoSuchAlgorithmException error) {
            throw new IllegalStateException(error);
        }
    }

    private static AttributeValue text(String value) {
        return AttributeValue.fromS(value);
    }

    private static AttributeValue number(long value) {
        return AttributeValue.fromN(Long.toString(value));
    }

    private static AttributeValue now() {
        return number(System.currentTimeMillis());
    }
}
