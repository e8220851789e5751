// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

//go:build tools

// Package tools pins the version of MinIO, and of what it is built from.
package tools

import _ "github.com/minio/minio"
