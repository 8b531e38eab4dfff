// The stack that exportpool replaces: sqs-consumer takes messages, a Piscina pool works on them.
//
// It is set up as well as it can be: batches of ten are deleted by one request, two pollers hide a batch's last
// task, keep-alive is on, results that nobody needs are not sent between threads. It keeps none of exportpool's
// promises: no lease is extended, nothing is counted, a task that is delivered twice is done twice.
import { createServer } from "node:http";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { SQSClient } from "@aws-sdk/client-sqs";
import { Piscina } from "piscina";
import { Consumer } from "sqs-consumer";

const POLLERS = 2;
const { SQS_DOWNLOAD_TASKS_URL: queueUrl, AWS_ENDPOINT: endpoint, AWS_REGION: region, PORT } = process.env;
const workers = Number(process.env.WORKER_POOL_SIZE ?? 4);

const pool = new Piscina({
  filename: new URL("./task.mjs", import.meta.url).href,
  minThreads: workers,
  maxThreads: workers,
});

// The resolution is the least there is. The histogram holds the time between two ticks: the tick is taken off.
const RESOLUTION_MS = 1;
const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
delay.enable();

const sqs = new SQSClient({ endpoint, region });
const consumers = Array.from({ length: POLLERS }, () =>
  Consumer.create({
    queueUrl,
    sqs,
    batchSize: 10,
    visibilityTimeout: 60,
    waitTimeSeconds: 20,
    handleMessageBatch: async (messages) => {
      const done = await Promise.all(
        messages.map((message) =>
          pool.run(message.Body).then(
            () => message,
            (error) => {
              console.error("a task failed", error);
              return undefined;
            },
          ),
        ),
      );
      return done.filter(Boolean);
    },
  }),
);
for (const consumer of consumers) {
  consumer.on("error", (error) => console.error(error));
  consumer.on("processing_error", (error) => console.error(error));
  consumer.start();
}

const late = (nanos) => Math.max(0, Math.round(nanos / 1e3 - RESOLUTION_MS * 1e3));
const report = () => ({
  loopDelay: {
    p50Micros: late(delay.percentile(50)),
    p99Micros: late(delay.percentile(99)),
    p999Micros: late(delay.percentile(99.9)),
    maxMicros: late(delay.max),
  },
});
const server = createServer((request, response) => {
  if (request.url === "/reset") delay.reset();
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify(report()));
}).listen(Number(PORT), "127.0.0.1");

process.once("SIGTERM", async () => {
  for (const consumer of consumers) consumer.stop({ abort: true });
  server.close();
  await pool.close();
  process.exit(0);
});
