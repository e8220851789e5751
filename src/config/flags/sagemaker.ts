// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { resolve } from 'node:path';
import {
  address,
  bool,
  both,
  type Flag,
  ignored,
  int32,
  notEmpty,
  OWN_THREADS,
  pair,
  port,
} from './flag.ts';

/** The SageMaker port. */
export interface SagemakerOptions {
  readonly allowSagemaker: boolean;
  readonly sagemakerAddress: string;
  readonly sagemakerPort: number;
  /** ports that every other service must be within, both ends included */
  readonly sagemakerSafePortRange: readonly [number, number] | undefined;
  /** folder that SageMaker unpacks the archives of a multi-model endpoint in */
  readonly sagemakerModelRoot: string;
  /** what `GET /ping` asks: `SAGEMAKER_TRITON_PING_MODE` */
  readonly sagemakerPingMode: 'live' | 'ready';
  /** model of `POST /invocations`: `SAGEMAKER_TRITON_DEFAULT_MODEL_NAME` */
  readonly sagemakerDefaultModel: string;
  /** what `POST /invocations` does: `SAGEMAKER_TRITON_INFERENCE_TYPE` */
  readonly sagemakerInferenceType: 'infer' | 'generate' | 'generate_stream';
}

/** Before any flag is read; the defaults of the flags follow. */
export const emptySagemakerOptions: SagemakerOptions = {
  allowSagemaker: false,
  sagemakerAddress: '',
  sagemakerPort: 0,
  sagemakerSafePortRange: undefined,
  sagemakerModelRoot: '',
  sagemakerPingMode: 'ready',
  sagemakerDefaultModel: 'unspecified_SAGEMAKER_TRITON_DEFAULT_MODEL_NAME',
  sagemakerInferenceType: 'infer',
};

export const sagemakerFlags: readonly Flag<SagemakerOptions>[] = [
  {
    name: 'allow-sagemaker',
    group: 'SageMaker',
    value: '<boolean>',
    help: 'Listen for requests of Amazon SageMaker.',
    defaults: both('false'),
    set: (draft, value) => {
      draft.allowSagemaker = bool(value);
    },
  },
  {
    name: 'sagemaker-address',
    group: 'SageMaker',
    value: '<string>',
    help: 'Address the SageMaker port binds.',
    defaults: { tritonserver: '0.0.0.0', nereid: '127.0.0.1' },
    set: (draft, value) => {
      draft.sagemakerAddress = address(value);
    },
  },
  {
    name: 'sagemaker-port',
    group: 'SageMaker',
    value: '<integer>',
    help: 'Port for SageMaker requests; 0 takes a free one and the start line names it.',
    defaults: both('8080'),
    set: (draft, value) => {
      draft.sagemakerPort = port(value);
    },
  },
  {
    name: 'sagemaker-safe-port-range',
    group: 'SageMaker',
    value: '<first>-<last>',
    help: 'Ports that every other service must be within.',
    set: (draft, value) => {
      const [first, last] = pair(value, '-');
      draft.sagemakerSafePortRange = [int32(first), int32(last)];
    },
  },
  {
    name: 'sagemaker-model-root',
    group: 'SageMaker',
    value: '<path>',
    help: 'Folder that SageMaker unpacks the archives of a multi-model endpoint in.',
    defaults: both('/opt/ml/models'),
    set: (draft, value) => {
      draft.sagemakerModelRoot = resolve(notEmpty(value));
    },
  },
  ignored('sagemaker-thread-count', 'SageMaker', '<integer>', OWN_THREADS, int32),
];
