// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

//go:build tools

// Package tools pins the version of fake-gcs-server, and of what it is built from.
package tools

import _ "github.com/fsouza/fake-gcs-server"
