# SPDX-FileCopyrightText: The Nereid authors
# SPDX-License-Identifier: Apache-2.0
#
# For `node-gyp rebuild --nodedir=…` and tools that look for this file. The build itself is CMakeLists.txt.
{
  "targets": [
    {
      "target_name": "nereid",
      "type": "none",
      "actions": [
        {
          "action_name": "cmake",
          "inputs": ["CMakeLists.txt"],
          "outputs": ["<(PRODUCT_DIR)/nereid.node"],
          "action": ["node", "scripts/build-native.mjs", "--copy-to=<(PRODUCT_DIR)/nereid.node"]
        }
      ]
    }
  ]
}
