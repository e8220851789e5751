// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { describeStore } from './common.ts';
import { GcsServer, skipGcs } from './gcs-server.ts';

describeStore({
  name: 'GCS',
  packageName: 'nereid-gcs',
  skip: skipGcs,
  tellsContent: false,
  start: (port) => GcsServer.start(port),
});
