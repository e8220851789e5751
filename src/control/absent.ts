// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

/** Sentence for what the protocol knows and this server does not have. */
export const notBuilt = (what: string): string => `this server does not have ${what} yet`;
