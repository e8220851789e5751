// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

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
