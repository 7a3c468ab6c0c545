/** What servers said of themselves (`INFO server`), to the lines that matter; Valkey calls itself a Redis, too. */
export const infoOf = {
  redis62: '# Server\r\nredis_version:6.2.14\r\nredis_git_sha1:00000000\r\nredis_mode:standalone\r\nos:Linux 6.1.0 x86_64\r\n',
  redis70: '# Server\r\nredis_version:7.0.15\r\nredis_git_sha1:00000000\r\nredis_mode:standalone\r\nos:Linux 6.1.0 x86_64\r\n',
  valkey72: '# Server\r\nredis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:7.2.11\r\nredis_git_sha1:00000000\r\nredis_mode:standalone\r\n',
  valkey80:
    '# Server\r\nredis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.0.1\r\nvalkey_release_stage:ga\r\nredis_git_sha1:00000000\r\nserver_mode:standalone\r\n'
} as const
