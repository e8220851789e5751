// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

/** The set-up of a clone fetches ONNX Runtime with the same code as `nereid setup onnxruntime`. */
import { runSetup } from '../src/setup/command.ts';

process.exitCode = await runSetup(['onnxruntime']);
