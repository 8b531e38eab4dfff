// One task on a worker thread: mark, download, hash, put, mark.
import { createHash } from "node:crypto";
import { DynamoDBClient, UpdateItemCommand } from "@aws-sdk/client-dynamodb";
import { PutObjectCommand, S3Client } from "@aws-sdk/client-s3";

const { AWS_ENDPOINT: endpoint, AWS_REGION: region, S3_BUCKET: bucket, DYNAMODB_TABLE: table } = process.env;
const dynamodb = new DynamoDBClient({ endpoint, region });
const s3 = new S3Client({ endpoint, region, forcePathStyle: true });

const mark = (key, update, values) =>
  dynamodb.send(
    new UpdateItemCommand({
      TableName: table,
      Key: key,
      UpdateExpression: update,
      ExpressionAttributeNames: { "#state": "state" },
      ExpressionAttributeValues: values,
    }),
  );

export default async function task(body) {
  const { jobId, taskId, url } = JSON.parse(body);
  const key = { pk: { S: `tasks#${jobId}#0` }, sk: { S: `task#${taskId}` } };
  const object = `${jobId}/${taskId}`;
  const now = () => ({ N: String(Date.now()) });
  await mark(key, "SET #state = :state, claimedAt = :now, sourceUrl = :url", {
    ":state": { S: "running" },
    ":now": now(),
    ":url": { S: url },
  });
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${response.status} ${url}`);
  const file = Buffer.from(await response.arrayBuffer());
  const hash = createHash("sha256").update(file).digest("hex");
  await s3.send(
    new PutObjectCommand({
      Bucket: bucket,
      Key: object,
      Body: file,
      ContentType: response.headers.get("content-type") ?? undefined,
      Metadata: { job: jobId, task: taskId, sha256: hash },
    }),
  );
  await mark(key, "SET #state = :state, settledAt = :now, sha256 = :hash, bytes = :bytes", {
    ":state": { S: "done" },
    ":now": now(),
    ":hash": { S: hash },
    ":bytes": { N: String(file.length) },
  });
}
