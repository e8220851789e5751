// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The surface of the native addon, by hand. `addon.test.ts` compares it with the exports of the binary.
 *
 * Every verb is coarse: one call carries one plan, one batch of control calls or one snapshot. Errors arrive as
 * `Error` objects with a numeric `code` (canonical gRPC number); `ServeError.from` turns them into `ServeError`.
 */

/** Wire names of the element types (KServe v2). */
export type DataType =
  | 'BOOL'
  | 'UINT8'
  | 'UINT16'
  | 'UINT32'
  | 'UINT64'
  | 'INT8'
  | 'INT16'
  | 'INT32'
  | 'INT64'
  | 'FP16'
  | 'FP32'
  | 'FP64'
  | 'BYTES'
  | 'BF16';

/** One tensor as a model file declares it. `shape` has -1 for free dimensions and includes the batch dimension. */
export interface InspectedTensor {
  readonly name: string;
  readonly datatype: DataType;
  readonly shape: readonly number[];
}

/** What a backend can tell of a model file without serving it. */
export interface ModelInspection {
  readonly inputs: readonly InspectedTensor[];
  readonly outputs: readonly InspectedTensor[];
}

/** One input or output of a plan. `dims` excludes the batch dimension; -1 is free. */
export interface TensorPlan {
  readonly name: string;
  readonly datatype: DataType;
  readonly dims: readonly number[];
  /** inputs only: a request may leave it out */
  readonly optional: boolean;
  /** outputs only: classification labels, element i names index i; empty without a label file */
  readonly labels: readonly string[];
  /** dims as the model itself wants them when `reshape` is configured, else undefined */
  readonly reshape?: readonly number[];
  /** inputs only: requests of any shapes share a batch, their elements in one dimension; absent = no */
  readonly ragged?: boolean;
  /** outputs only: index of the input whose shapes say which part is whose; absent = split by rows */
  readonly scatteredBy?: number;
  /** inputs only: one free dimension is filled up so that different sizes share a batch; absent = no */
  readonly padding?: PaddingPlan;
  /** outputs only: carries the padded dimension of an input, at which each request gets its own size; absent = no */
  readonly unpadding?: UnpaddingPlan;
}

/** How the sizes of one dimension of an input are made equal. */
export interface PaddingPlan {
  /** index into `dims` */
  readonly axis: number;
  /** sizes to fill up to, ascending; what is larger stays as it is */
  readonly buckets: readonly number[];
  /** of the added elements; added strings are empty */
  readonly value: number;
  /** added part of the whole, 1 … 99; what would be beyond it stays as it is */
  readonly maxWastePercent: number;
}

export interface UnpaddingPlan {
  /** index into `dims` of the output */
  readonly axis: number;
  /** index of an input with `padding` */
  readonly input: number;
}

/** A tensor that the server makes for the model from the batch; no request has it. */
export interface BatchInputPlan {
  readonly kind:
    | 'elementCount'
    | 'accumulatedElementCount'
    | 'accumulatedElementCountWithZero'
    | 'maxElementCountAsShape'
    | 'itemShape'
    | 'itemShapeFlatten';
  readonly name: string;
  readonly datatype: 'INT32' | 'FP32';
  /** index of the input it tells about */
  readonly source: number;
}

/** Dynamic batching as `config.pbtxt` says it, defaults filled in. */
export interface BatchingPlan {
  readonly preferredBatchSizes: readonly number[];
  readonly maxQueueDelayUs: number;
  readonly preserveOrdering: boolean;
}

/** Batches are chosen from what is measured; the fields of `BatchingPlan` are bounds. */
export interface LatencyTargetPlan {
  readonly us: number;
  /** the preferred sizes are the only ones to wait for */
  readonly hasPreferredSizes: boolean;
}

/** How a model forms its batches now, and why. */
export interface BatchingView {
  /** absent where batches follow the configuration */
  readonly targetUs?: number;
  /** that come; absent where nobody counts them */
  readonly rowsPerSecond?: number;
  /** moving averages by size, ascending */
  readonly costs: readonly {
    readonly rows: number;
    readonly us: number;
    readonly executions: number;
  }[];
  /** that may run at once */
  readonly instances: number;
  /** of a batch */
  readonly maxRows: number;
  /** an idle instance waits for one of these sizes, but no longer than `waitUs` */
  readonly wantedRows: readonly number[];
  readonly waitUs: number;
  readonly reason: string;
}

/** What one instance holds while it runs, under a rate limiter. */
export interface InstanceLimitPlan {
  /** n runs a n-th as often as 1 */
  readonly priority: number;
  /** none: it asks nobody */
  readonly resources: readonly {
    readonly name: string;
    /** else of its device */
    readonly global: boolean;
    readonly count: number;
  }[];
}

/** Rules of one queue. */
export interface QueuePolicyPlan {
  /** 0 = unlimited (Triton's default) */
  readonly maxQueueSize: number;
  /** 0 = none */
  readonly defaultTimeoutUs: number;
  readonly allowTimeoutOverride: boolean;
  /** what is out of time is served after the others of its level; absent = it is refused */
  readonly delaysExpired?: boolean;
}

/** Queues of one model by priority, 1 first. */
export interface PriorityPlan {
  readonly levels: number;
  /** of requests that name no level or none that exists; in 1 … levels */
  readonly defaultLevel: number;
  /** levels with rules of their own */
  readonly policies: readonly (QueuePolicyPlan & { readonly level: number })[];
}

/** The three levels of a queue as classes of load: interactive, standard, background. */
export interface ClassesPlan {
  /** who has waited for so long moves up by a class */
  readonly ageingUs: number;
  /** of all classes together; 0 = unlimited */
  readonly maxQueueSize: number;
}

/** Queue rules of one model, and of every level of it that has none of its own. */
export interface QueuePlan extends QueuePolicyPlan {
  /** absent = one queue */
  readonly priorities?: PriorityPlan;
  /** absent = levels are levels; with it `priorities` has three of them */
  readonly classes?: ClassesPlan;
  /** of the inputs of all that wait; absent or 0 = no limit */
  readonly maxQueueBytes?: number;
  /** refuses at once what would be out of time before its turn; absent = it expires in the queue */
  readonly predictsWait?: boolean;
  /** what a full queue answers: Triton's UNAVAILABLE, or RESOURCE_EXHAUSTED under the name `nereid` */
  readonly fullStatus: 'Unavailable' | 'ResourceExhausted';
}

/** An input that tells a model where in its sequence a request is. */
export interface SequenceControlPlan {
  readonly kind: 'start' | 'end' | 'ready' | 'correlationId';
  readonly name: string;
  readonly datatype: DataType;
  /** not used by `correlationId` */
  readonly falseValue: number;
  readonly trueValue: number;
}

/** What a model hands from one request of a sequence to the next. */
export interface SequenceStatePlan {
  readonly input: string;
  readonly output: string;
  readonly datatype: DataType;
  /** without the batch dimension, -1 is free */
  readonly dims: readonly number[];
  /** of the first request */
  readonly initialDims: readonly number[];
  readonly initialData: Uint8Array;
}

/** How the requests of sequences are served. Its tensors are the model's and no client's. */
export interface SequencePlan {
  readonly strategy: 'direct' | 'oldest';
  /** sequences that an instance serves at once */
  readonly slots: number;
  readonly maxIdleUs: number;
  /** of `direct`; `oldest` has `batching` */
  readonly maxQueueDelayUs: number;
  readonly minimumSlotUtilization: number;
  /** every request is a sequence, which its backend may run again */
  readonly iterative: boolean;
  readonly controls: readonly SequenceControlPlan[];
  readonly states: readonly SequenceStatePlan[];
}

/** Joins a tensor of a step's model with one between the steps: an index into `EnsemblePlan.tensors`. */
export interface EnsembleLink {
  readonly name: string;
  readonly tensor: number;
}

/** One step of an ensemble. */
export interface EnsembleStepPlan {
  readonly model: string;
  /** -1 = the latest that serves */
  readonly version: number;
  readonly inputs: readonly EnsembleLink[];
  readonly outputs: readonly EnsembleLink[];
}

/** A fixed graph of other models. Each tensor but the inputs has one step that makes it. */
export interface EnsemblePlan {
  /** names */
  readonly tensors: readonly string[];
  /** index into `tensors` of each input of the model, in order */
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  readonly steps: readonly EnsembleStepPlan[];
  /** requests of one step at once, over all requests of the ensemble; 0 = no limit */
  readonly maxInflightRequests: number;
  /** tensors between steps that requests inside may hold; others wait before the first step; 0 = no limit */
  readonly maxInflightBytes: number;
}

/** One input of a warm-up request. `dims` excludes the batch dimension; none is free. */
export interface WarmupInputPlan {
  readonly name: string;
  readonly datatype: DataType;
  readonly dims: readonly number[];
  /** bytes: one row as the wire has it */
  readonly data: 'zero' | 'random' | Uint8Array;
}

/** Requests that every instance runs before the version serves. */
export interface WarmupSamplePlan {
  readonly name: string;
  /** requests of one row each, executed together; at least 1 */
  readonly batchSize: number;
  /** times, at least 1 */
  readonly count: number;
  readonly inputs: readonly WarmupInputPlan[];
}

/** Everything native needs of one model version. Immutable; crosses once per load. */
export interface ModelPlan {
  readonly name: string;
  readonly version: number;
  readonly backend: string;
  /** absolute path of the model file, empty for backends without one */
  readonly modelFile: string;
  /** 0 = the model has no batch dimension */
  readonly maxBatchSize: number;
  /** requests of up to this many rows are split where they have more than `maxBatchSize`; absent = refused */
  readonly maxRequestRows?: number;
  readonly inputs: readonly TensorPlan[];
  readonly outputs: readonly TensorPlan[];
  /** absent = none */
  readonly batchInputs?: readonly BatchInputPlan[];
  /** absent = direct scheduler: one request per execution */
  readonly batching?: BatchingPlan;
  /** only with `batching` */
  readonly latencyTarget?: LatencyTargetPlan;
  readonly queue: QueuePlan;
  /** present: its requests belong to sequences */
  readonly sequence?: SequencePlan;
  /** present: the model is an ensemble of others and has no backend */
  readonly ensemble?: EnsemblePlan;
  /** number of instances (leases), at least 1 */
  readonly instanceCount: number;
  /** one for each instance; absent = they run as soon as they are free */
  readonly instanceLimits?: readonly InstanceLimitPlan[];
  readonly decoupled: boolean;
  /** its answers may come from the response cache; absent = no */
  readonly responseCache?: boolean;
  /** `parameters { key value { string_value } }` of the configuration, for the backend */
  readonly parameters: Readonly<Record<string, string>>;
  /** extra Prometheus labels, already prefixed with `_` */
  readonly metricTags: Readonly<Record<string, string>>;
  /** bounds of `nv_inference_first_response_histogram_ms`, ascending; empty = Triton's */
  readonly firstResponseBoundsMs: readonly number[];
  /** absent = none */
  readonly warmup?: readonly WarmupSamplePlan[];
}

/** A loaded version and what it is to be: a plan that differs from its own in instances and limits alone. */
export interface Adjustment {
  readonly handle: number;
  /** without warm-up: what is added runs the samples that it was loaded with */
  readonly plan: ModelPlan;
}

/** Why a version cannot serve, as the client is told. */
export interface UnavailableReason {
  readonly code: number;
  readonly message: string;
}

/** One version in the dispatch table. */
export interface DispatchVersion {
  readonly version: number;
  /** handle returned by `load`, or undefined when the version is not served */
  readonly handle?: number;
  /** of an ensemble: the handle that each of its steps uses */
  readonly steps?: readonly number[];
  readonly ready: boolean;
}

/** One model in the dispatch table. */
export interface DispatchModel {
  readonly name: string;
  /** ready versions; a request without a version goes to the highest */
  readonly versions: readonly DispatchVersion[];
  /** answer to an infer call when no version serves, e.g. `Request for unknown model: 'm' has no available versions` */
  readonly unavailable: UnavailableReason;
}

/**
 * The one immutable table the infer path reads. `publish` swaps it on every I/O thread and resolves when each has
 * acknowledged, so a load or unload that has answered is seen by the next request everywhere.
 */
export interface DispatchTable {
  readonly live: boolean;
  readonly ready: boolean;
  /** true while the server drains: readiness answers 503 `Server exiting`; open connections are served to their end */
  readonly exiting: boolean;
  /** the server is ready only while one build of each list has an instance that works, too: handles; absent = none */
  readonly needs?: readonly (readonly number[])[];
  /** a call for a model that does not serve is a demand for it; absent = no */
  readonly onDemand?: boolean;
  /** gRPC's number for a request for a model that is not in the table; absent = NOT_FOUND */
  readonly unknownModel?: number;
  readonly models: readonly DispatchModel[];
}

/** The categories of Triton's restricted APIs, then ours. */
export type Api =
  | 'health'
  | 'metadata'
  | 'inference'
  | 'shared-memory'
  | 'model-config'
  | 'model-repository'
  | 'statistics'
  | 'trace'
  | 'logging'
  | 'docs'
  | 'metrics'
  | 'management';

/** What answers on a port. */
export type Service = 'http' | 'grpc' | 'metrics' | 'sagemaker' | 'vertex-ai' | 'management';

/** One row of the table that every request is matched against (native/frontend/route_table.cc). */
export interface RouteRow {
  readonly service: Service;
  readonly methods: readonly string[];
  /** `{m}`, `{r}` any name, `{v}` digits, `[…]` may be left out, `*` alone every path */
  readonly pattern: string;
  readonly api: Api;
  readonly scope: 'infer' | 'manage' | 'metrics' | 'public';
  readonly changesState: boolean;
  /** answers on the management port only, when there is one */
  readonly management: boolean;
  /** answered on the I/O threads */
  readonly native: boolean;
}

/** A category of APIs that wants a header with a value. */
export interface RestrictedApi {
  readonly protocol: 'http' | 'grpc';
  readonly api: Api;
  /** as it stands in the request, prefix included */
  readonly header: string;
  readonly value: string;
}

export type Scope = 'infer' | 'manage' | 'metrics';

/** What the holder of a key or a token may do. */
export interface Grant {
  readonly scopes: readonly Scope[];
  /** names of models; a `*` at the end stands for any ending */
  readonly models: readonly string[];
}

export interface ApiKey extends Grant {
  /** of the key, 64 hexadecimal digits */
  readonly sha256: string;
}

/** Who may use which route. Immutable; swapped on every I/O thread like the dispatch table. */
export interface AccessPolicy {
  readonly restricted: readonly RestrictedApi[];
  /** RE2; headers of infer calls that become parameters of the request; empty = none */
  readonly httpForwardPattern: string;
  readonly grpcForwardPattern: string;
  /** callers need a key or a token, but for `publicApis` */
  readonly needsKey: boolean;
  readonly keys: readonly ApiKey[];
  /** JWTs that are no key go to `onTokens` */
  readonly takesTokens: boolean;
  readonly publicApis: readonly Api[];
  /** APIs that manage answer on listeners of service `management` only */
  readonly hasManagementPort: boolean;
  /** origins that browsers may call from, `*` = any; empty = no CORS */
  readonly corsOrigins: readonly string[];
  /** HTTP requests may name a deadline in a header */
  readonly takesDeadlines: boolean;
}

/** Life of an HTTP/2 connection, with the meaning of gRPC's channel arguments. A time of 0 means never, a number of 0 any. */
export interface KeepaliveOptions {
  /** silence after which the server pings */
  readonly pingAfterMs: number;
  /** silence after that ping which ends the connection */
  readonly pingTimeoutMs: number;
  readonly pingsWithoutCalls: boolean;
  /** between two pings of the client with nothing sent to it meanwhile; a shorter one is a strike */
  readonly minPingIntervalMs: number;
  readonly maxPingStrikes: number;
  readonly maxConnectionAgeMs: number;
  readonly maxConnectionAgeGraceMs: number;
}

/** What a PEM file holds; `name` appears in messages. */
export interface PemFile {
  readonly name: string;
  readonly pem: Uint8Array;
}

/** TLS 1.2 and 1.3 on a listener, with ALPN for its protocols. */
export interface TlsOptions {
  /** the server's certificate, then those that lead to its root */
  readonly certificate: PemFile;
  /** without a password */
  readonly key: PemFile;
  /** clients must show a certificate that one of these has signed; absent = they need none */
  readonly clientCa?: PemFile;
}

/** What the paths of the SageMaker and the Vertex AI port mean. Immutable; swapped like the dispatch table. */
export interface RouteAliases {
  /** what `GET /ping` asks */
  readonly ping: 'live' | 'ready';
  /** model of `POST /invocations`, and what is done with it */
  readonly invocationsModel: string;
  readonly invocationsKind: 'infer' | 'generate' | 'generate_stream';
  /** names that `POST /models/{name}/invoke` answers */
  readonly loaded: readonly string[];
  /** paths of Vertex AI; empty = none */
  readonly healthRoute: string;
  readonly predictRoute: string;
  readonly predictModel: string;
}

/** A token that native has not seen, or not lately. Answer each once with `replyToken`. */
export interface TokenInquiry {
  readonly inquiry: number;
  readonly token: string;
}

/** What a token is worth, and for how long native may remember it; 0 = not at all. */
export type TokenVerdict =
  | (Grant & { readonly code: 0; readonly lifetimeMs: number })
  | { readonly code: number; readonly message: string; readonly lifetimeMs: number };

/** One listening socket. Port 0 picks a free one. */
export interface ListenOptions {
  readonly host: string;
  readonly port: number;
  /** which service answers on this port */
  readonly service: Service;
  /** protocols recognised on it: HTTP/1.1, HTTP/2 (prior knowledge) or both */
  readonly protocols: readonly ('http1' | 'http2')[];
  readonly reusePort: boolean;
  /** absent = connections are not pinged and grow as old as they like */
  readonly keepalive?: KeepaliveOptions;
  /** absent = no TLS */
  readonly tls?: TlsOptions;
}

export interface ListenResult {
  readonly id: number;
  readonly host: string;
  readonly port: number;
}

/** What is measured and what the metrics page shows. */
export interface MetricsOptions {
  /** Triton's latency families by kind (`--metrics-config`) */
  readonly counterLatencies: boolean;
  readonly histogramLatencies: boolean;
  readonly summaryLatencies: boolean;
  /** 0 … 1, in the order of the page */
  readonly summaryQuantiles: readonly number[];
  /** the `nereid_*` families */
  readonly extended: boolean;
  readonly cpu: boolean;
  /** readings of the machine are at least this old when they are renewed */
  readonly hostIntervalMs: number;
  /** shown as it was given */
  readonly pinnedMemoryPoolBytes: number;
}

/** Who gets reports of load, and in which form. */
export type OrcaLoadMetrics =
  | 'off'
  | 'asked'
  | 'text'
  | 'json'
  | 'bin'
  | 'plain-text'
  | 'plain-json';

/** Set once when the engine is made. Sizes in bytes, times in milliseconds. */
export interface EngineOptions {
  readonly program: 'tritonserver' | 'nereid';
  /** 0 = min(4, CPUs the process may use) */
  readonly ioThreads: number;
  readonly inferPath: 'native' | 'typescript';
  readonly inlineExecution: 'auto' | 'off';
  readonly enableTestBackends: boolean;
  /** path of libonnxruntime, empty when not installed */
  readonly onnxRuntimeLibrary: string;
  /** ceiling of all request, tensor and response bytes */
  readonly memoryLimitBytes: number;
  /** of answers that are kept for models that want it, beside the memory limit; absent or 0 = none */
  readonly responseCacheBytes?: number;
  /** --rate-limit-resource; none = as much as the neediest instance holds. `device` absent = on each */
  readonly resourceLimits: readonly {
    readonly name: string;
    readonly count: number;
    readonly device?: number;
  }[];
  /** --http-max-input-size */
  readonly httpMaxInputBytes: number;
  /** --grpc-max-response-pool-size: responses of one stream on their way; 2^31 - 1 = any number */
  readonly grpcMaxResponsePoolSize: number;
  readonly grpcInferResponseCompressionLevel: 'none' | 'low' | 'medium' | 'high';
  /** names of HTTP/1 headers are kept as they were written: what a forward pattern needs */
  readonly keepHeaderNames: boolean;
  /** largest request line plus headers */
  readonly maxHeaderBytes: number;
  readonly idleTimeoutMs: number;
  /** from the first byte of a request's head (TLS: of the handshake) to its last */
  readonly headTimeoutMs: number;
  /** a request body must be complete within this time and arrive at least at `minBodyBytesPerSecond` */
  readonly bodyTimeoutMs: number;
  readonly minBodyBytesPerSecond: number;
  readonly maxConnections: number;
  readonly maxStreamsPerConnection: number;
  /** --allow-client-shm; while it is off, registering and opening regions is a bug of the caller */
  readonly allowClientShm: boolean;
  /** answer time of control calls; past it native answers 503 / UNAVAILABLE */
  readonly controlTimeoutMs: number;
  /** health answers carry KServe's JSON bodies when true, Triton's empty bodies when false */
  readonly jsonHealthBodies: boolean;
  /** GET /v2/health/details is answered */
  readonly diagnosticsApi: boolean;
  /** file of the access log, `-` = standard output, empty = none */
  readonly accessLog: string;
  /** the access log has a line for every so-manyth request; at least 1 */
  readonly accessLogEvery: number;
  /** HTTP infer answers carry a Server-Timing header */
  readonly serverTiming: boolean;
  /** reports of load in infer and generate answers: `asked` = to requests that ask, else in every answer of that form */
  readonly orcaLoadMetrics: OrcaLoadMetrics;
  readonly metrics: MetricsOptions;
  /** FP16 and BF16 as numbers in JSON */
  readonly real16Json: boolean;
  readonly logVerbose: number;
  readonly logInfo: boolean;
  readonly logWarning: boolean;
  readonly logError: boolean;
  readonly logFormat: 'default' | 'ISO8601';
  /** appended to; empty = standard error */
  readonly logFile: string;
}

/** Which lines native writes, and where. */
export type LogOptions = Pick<
  EngineOptions,
  'logVerbose' | 'logInfo' | 'logWarning' | 'logError' | 'logFormat' | 'logFile'
>;

/** Chooses every `rate`-th request until `count` were chosen (-1 = without end). */
export interface TraceSampler {
  /** a new number for new settings; a sampler that is known goes on counting */
  readonly id: number;
  readonly timestamps: boolean;
  readonly tensors: boolean;
  readonly rate: number;
  readonly count: number;
}

/** Which requests are traced. */
export interface TracePlan {
  readonly global: TraceSampler;
  /** models with settings of their own */
  readonly models: readonly { readonly name: string; readonly sampler: TraceSampler }[];
  /** a request with a W3C `traceparent` is traced whatever the samplers say */
  readonly takesContext: boolean;
}

/** A copy of one tensor at one place of its way. */
export interface TracedTensor {
  readonly activity: 'TENSOR_QUEUE_INPUT' | 'TENSOR_BACKEND_OUTPUT';
  readonly name: string;
  readonly datatype: DataType;
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

/** What one traced request left. Times in nanoseconds of the steady clock. */
export interface TraceRecord {
  /** unique in the life of the process, from 1 */
  readonly id: number;
  /** of a step, the record of its ensemble; 0 for others. What belongs together comes together, the youngest first. */
  readonly parentId: number;
  readonly sampler: number;
  readonly protocol: 'http' | 'grpc';
  readonly model: string;
  readonly version: number;
  readonly requestId: string;
  /** W3C `traceparent` as it came, or empty */
  readonly traceParent: string;
  readonly timestamps: boolean;
  readonly failed: boolean;
  /** tensors were left out because the record was full */
  readonly cut: boolean;
  /** to be added for nanoseconds since the epoch */
  readonly wallOffsetNs: bigint;
  readonly stamps: readonly { readonly name: string; readonly ns: bigint }[];
  readonly tensors: readonly TracedTensor[];
}

/** A call that native hands to TypeScript. `headers` is flat: name, value, name, value … (names in lower case). */
export interface ControlCall {
  /** names the call in `reply`; unique in the life of the process */
  readonly token: number;
  readonly protocol: 'http' | 'grpc';
  /** of a call that Vertex AI redirected, the service whose route it took */
  readonly service: Service;
  /** HTTP: the method; gRPC: always `POST` */
  readonly method: string;
  /** HTTP: the request target without the query; gRPC: `/package.Service/Method` */
  readonly path: string;
  readonly query: string;
  readonly headers: readonly string[];
  /** HTTP: the body; gRPC: one message without its 5-byte prefix. Owned by JavaScript (copied). */
  readonly body: Uint8Array;
  readonly remoteAddress: string;
}

/** A call that waits in native for its model to be loaded. `replyGrpc` answers it; with OK it is served anew. */
export interface ModelDemand {
  readonly token: number;
  readonly model: string;
  /** what it holds meanwhile */
  readonly bytes: number;
}

/** Answer to an HTTP control call; `headers` flat as above. Content-Length and Date are native's. */
export interface HttpReply {
  readonly status: number;
  readonly headers: readonly string[];
  readonly body: Uint8Array | string;
}

/** Answer to a gRPC control call: one message and OK, or a status. */
export interface GrpcReply {
  readonly code: number;
  readonly message: string;
  /** encoded response message without prefix; ignored unless code is 0 */
  readonly body: Uint8Array;
}

/** A tensor handed over for the in-process call. `data` holds the elements in row-major order, BYTES length-prefixed. */
export interface TensorValue {
  readonly name: string;
  readonly datatype: DataType;
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

/** An in-process infer call (library and `--infer-path=typescript`). Inputs are copied before `infer` returns. */
export interface InferCall {
  readonly model: string;
  /** empty or absent = highest ready version */
  readonly version?: string;
  readonly id?: string;
  readonly inputs: readonly TensorValue[];
  /** names of the outputs wanted; empty = all */
  readonly outputs: readonly string[];
  readonly priority?: number;
  readonly timeoutUs?: number;
  /** what else the request says, by name, each once */
  readonly parameters?: readonly (readonly [name: string, value: ParameterValue])[];
  /** the sequence that the request belongs to; absent = none */
  readonly sequence?: SequencePart;
  /** token of the control call that it runs for: when its client goes away, the request is cancelled */
  readonly caller?: number;
}

/** Which part of which sequence a request is. */
export interface SequencePart {
  /** 64 bits without a sign, or text; 0 = no sequence */
  readonly id: bigint | string;
  readonly start: boolean;
  readonly end: boolean;
}

export interface InferAnswer {
  readonly modelName: string;
  readonly modelVersion: string;
  readonly id: string;
  /** what the model tells beside its outputs; absent = nothing */
  readonly parameters?: Readonly<Record<string, ParameterValue>>;
  readonly outputs: readonly TensorValue[];
}

/** Of a request or an answer. A bigint has 64 bits, with or without a sign. */
export type ParameterValue = boolean | bigint | number | string;

/** System shared memory as a client asks for it. Numbers are any of 64 bits without a sign. */
export interface SystemRegion {
  readonly name: string;
  /** of shm_open */
  readonly key: string;
  readonly offset: bigint;
  readonly byteSize: bigint;
}

/** Memory of a GPU as a client asks for it. */
export interface CudaRegion {
  readonly name: string;
  /** a cudaIpcMemHandle_t */
  readonly rawHandle: Uint8Array;
  readonly deviceId: bigint;
  readonly byteSize: bigint;
}

export type RegionKind = 'system' | 'cuda';

/** A region that is registered. */
export type RegisteredRegion =
  | ({ readonly kind: 'system' } & SystemRegion)
  | ({ readonly kind: 'cuda' } & Omit<CudaRegion, 'rawHandle'>);

/** Part of a region, mapped as long as this object lives. */
export interface RegionMemory {
  readonly byteSize: number;
  /** a copy. Throws InvalidArgument when the client has taken the memory away. */
  read(): Uint8Array;
  /** at most `byteSize` bytes to its start; throws as `read` */
  write(bytes: Uint8Array): void;
}

/** `{count, ns}` of one stage. Nanoseconds as bigint: they pass 2^53 in production. */
export interface DurationStat {
  readonly count: bigint;
  readonly ns: bigint;
}

/** Counters of one model version, all read under one lock: success + failure + pending = received. */
export interface ModelStatistics {
  /** as `load` returned it */
  readonly handle: number;
  readonly name: string;
  readonly version: number;
  readonly received: bigint;
  readonly pending: bigint;
  readonly lastInferenceMs: bigint;
  readonly inferenceCount: bigint;
  readonly executionCount: bigint;
  readonly success: DurationStat;
  readonly fail: DurationStat;
  readonly queue: DurationStat;
  readonly computeInput: DurationStat;
  readonly computeInfer: DurationStat;
  readonly computeOutput: DurationStat;
  /** look-ups in the response cache that found an answer; others, with what keeping the answer took */
  readonly cacheHit: DurationStat;
  readonly cacheMiss: DurationStat;
  readonly batches: readonly {
    readonly batchSize: bigint;
    readonly computeInput: DurationStat;
    readonly computeInfer: DurationStat;
    readonly computeOutput: DurationStat;
  }[];
  /** requests that ended without success, by Triton's reasons */
  readonly failures: {
    readonly rejected: bigint;
    readonly canceled: bigint;
    readonly backend: bigint;
    readonly other: bigint;
  };
  /** responses of decoupled models by their index: the first of each request, the second, … */
  readonly responses: readonly {
    readonly computeInfer: DurationStat;
    readonly computeOutput: DurationStat;
    readonly success: DurationStat;
    readonly fail: DurationStat;
    readonly emptyResponse: DurationStat;
    readonly cancel: DurationStat;
  }[];
  /** empty for an ensemble */
  readonly instances: readonly InstanceState[];
  /** one of them serves; of an ensemble, of each model that it needs */
  readonly canServe: boolean;
}

/** Where one instance of a model stands; native/metrics/instance_state.h says what the states mean. */
export interface InstanceState {
  readonly state: 'serving' | 'poisoned' | 'rebuilding' | 'lost';
  /** empty while it serves */
  readonly reason: string;
  readonly failedAttempts: number;
  readonly poisonings: number;
}

export interface EngineSnapshot {
  readonly models: readonly ModelStatistics[];
  readonly connections: number;
  readonly inFlight: number;
  readonly memoryUsedBytes: number;
  readonly memoryLimitBytes: number;
}

/** Bytes that native holds; exact while nothing comes or goes. */
export interface MemoryUse {
  readonly limitBytes: number;
  /** of requests, tensors and answers */
  readonly usedBytes: number;
  /** the most they ever were */
  readonly peakBytes: number;
  /** the part of requests: their bodies, and what was read from them */
  readonly requestBytes: number;
  /** kept for requests to come */
  readonly idleBytes: number;
  readonly models: readonly {
    readonly name: string;
    readonly version: number;
    /** the part of its batches and their outputs */
    readonly tensorBytes: number;
    /** kept for batches to come */
    readonly idleBytes: number;
  }[];
  /** mallinfo2: pieces in use, free pieces that may have no pages, and mappings of their own */
  readonly allocator: {
    readonly usedBytes: number;
    readonly freeBytes: number;
    readonly mappedBytes: number;
  };
}

/** One engine: I/O threads, models, listeners. Made by `binding.createEngine`; ended by `close`. */
export interface Engine {
  /** reads a model file's inputs and outputs. Rejects with InvalidArgument when the file is not a model. */
  inspect(backend: string, modelFile: string): Promise<ModelInspection>;
  /** builds and warms one version; resolves with its handle. Nothing is left behind when it rejects. */
  load(plan: ModelPlan): Promise<number>;
  /** resolves when the last request that holds the version has ended and its instances are destroyed */
  unload(handle: number): Promise<void>;
  /**
   * Gives versions other numbers of instances and other limits while they serve: all of them, or none when it rejects.
   * Resolves when what serves no longer is gone.
   */
  adjust(adjustments: readonly Adjustment[]): Promise<void>;
  publish(table: DispatchTable): Promise<void>;
  /**
   * In force at once for connections to come, and everywhere when it resolves. Until the first call every route is open.
   * @throws Error that says what is wrong with the policy
   */
  setPolicy(policy: AccessPolicy): Promise<void>;
  /** In force everywhere when it resolves; undefined = nothing is traced. */
  setTracing(plan: TracePlan | undefined): Promise<void>;
  /** requests that the samplers of the last plan may still choose; -1 = without end */
  traceCounts(): { readonly id: number; readonly remaining: number }[];
  /** records of requests that have ended since the last call, oldest first; bounded, what does not fit is dropped */
  takeTraces(): TraceRecord[];
  /** @throws Error when the file cannot be opened; the options of before stay */
  setLog(options: LogOptions): void;
  /** In force at once for connections to come, and everywhere when it resolves. */
  setAliases(aliases: RouteAliases): Promise<void>;
  listen(options: ListenOptions): ListenResult;
  /** throws InvalidArgument that names the file and says what is wrong with it */
  checkTls(tls: TlsOptions): void;
  /** other certificates for the connections to come; throws as `checkTls` and then changes nothing. `id` is of `listen`. */
  renewTls(id: number, tls: TlsOptions): void;
  /** stops accepting on every listener; open connections live on */
  stopListening(): Promise<void>;
  /** resolves when nothing is in flight, or false after `timeoutMs` */
  drain(timeoutMs: number): Promise<boolean>;
  /** calls arrive in batches; answer each token once with `replyHttp` or `replyGrpc` */
  onControl(handler: (calls: readonly ControlCall[]) => void): void;
  replyHttp(token: number, reply: HttpReply): void;
  replyGrpc(token: number, reply: GrpcReply): void;
  onTokens(handler: (inquiries: readonly TokenInquiry[]) => void): void;
  onDemand(handler: (demands: readonly ModelDemand[]) => void): void;
  replyToken(inquiry: number, verdict: TokenVerdict): void;
  /**
   * Runs one request. The model must be in the published table. Rejects with the engine's status.
   * @param cancelId any number the caller may pass to `cancel`
   */
  infer(call: InferCall, cancelId: number): Promise<InferAnswer>;
  cancel(cancelId: number): void;
  /** Throws AlreadyExists, Internal or InvalidArgument in Triton's words. */
  registerSystemRegion(region: SystemRegion): void;
  registerCudaRegion(region: CudaRegion): void;
  /** the region of that name, if it is of this kind; an empty name means all of the kind */
  unregisterRegions(kind: RegionKind, name: string): void;
  /** both kinds, by name */
  regions(): readonly RegisteredRegion[];
  /** for `--infer-path=typescript`. Throws NotFound or InvalidArgument in Triton's words. */
  openRegion(name: string, offset: bigint, byteSize: bigint): RegionMemory;
  snapshot(): EngineSnapshot;
  /** text block appended to `/metrics`; TypeScript renews it at most once a second */
  setMetricsText(text: string): void;
  /** members of the JSON object of `/v2/health/details`, absent = those of before; a sign of life in any case */
  setHealthDetails(members?: string): void;
  memory(): MemoryUse;
  /**
   * Gives memory back to the system if little of it was used since the last call, or a model was unloaded.
   * @returns false = nothing was to be done
   */
  trimMemory(): Promise<boolean>;
  /** Undefined for an ensemble. Throws NotFound for a handle that is not loaded. */
  batching(handle: number): BatchingView | undefined;
  /** the `/v2/test/{model}` door: JSON in, JSON out. Rejects unless the engine was made with enableTestBackends. */
  testControl(handle: number, json: string): Promise<string>;
  log(
    severity: 'error' | 'warning' | 'info' | 'verbose',
    file: string,
    line: number,
    message: string,
  ): void;
  /** drains nothing: cancels what is left, closes connections, joins every thread */
  close(): Promise<void>;
}

export interface Binding {
  readonly version: string;
  createEngine(options: EngineOptions): Engine;
  readonly routes: readonly RouteRow[];
}
