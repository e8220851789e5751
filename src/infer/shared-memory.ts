// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { TensorValue } from '../addon/infer-call.ts';
import type { RegionMemory } from '../addon/regions.ts';
import { internal, ServeError } from '../base/status.ts';
import type { OutputValue } from './http-response.ts';
import type { InferRequest } from './request.ts';

/** Where a tensor lies, as a request says. */
export interface RegionRange {
  readonly name: string;
  readonly offset: bigint;
  readonly byteSize: bigint;
}

/** Opens part of a registered region. Throws ServeError NotFound or InvalidArgument in Triton's words. */
export type OpenRegion = (range: RegionRange) => RegionMemory;

/** The bytes of an input; what the client does with its memory later changes nothing. */
export function readRegion(open: OpenRegion, range: RegionRange): Uint8Array {
  const memory = open(range);
  return attempt(() => memory.read());
}

/**
 * Writes the outputs that have a place in shared memory there.
 * @returns the outputs; of those with a place, all but the data
 * @throws ServeError Internal for a place that is too small, InvalidArgument for one that was taken away
 */
export function placeOutputs(
  outputs: readonly TensorValue[],
  request: InferRequest,
): readonly OutputValue[] {
  return outputs.map((output) => {
    const place = request.outputs.find(({ name }) => name === output.name)?.place;
    if (place === undefined) return output;
    const { name, data } = output;
    if (data.length > place.byteSize) {
      throw internal(
        `shared memory size specified with the request for output '${name}' (${place.byteSize} bytes) ` +
          `should be at least ${data.length} bytes to hold the results`,
      );
    }
    attempt(() => place.write(data));
    return { ...output, data: undefined };
  });
}

export function attempt<T>(work: () => T): T {
  try {
    return work();
  } catch (thrown) {
    throw ServeError.from(thrown);
  }
}
