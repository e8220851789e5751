// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

/** Sentence for what the protocol knows and this server does not have. */
export const notBuilt = (what: string): string => `this server does not have ${what} yet`;

/** Triton's sentence, without the flag that this server does not have. */
export const SHARED_MEMORY_ABSENT =
  'Client shared memory is disabled. This server does not have it yet: send tensors in the request.';
