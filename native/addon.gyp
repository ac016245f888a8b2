# The build that users' machines and prebuilds use; CMakeLists.txt is the developer build. Both read native/sources.txt.
{
  'variables': {
    # EVENKEEL_SANITIZE=address,undefined instruments the addon; scripts/test-asan.mjs runs the suite over it.
    'sanitize': '<!(node -p "process.env.EVENKEEL_SANITIZE || \'\'")',
  },
  'targets': [
    {
      'target_name': 'evenkeel',
      'conditions': [
        # There is no poller for Windows. The target stays so that node-gyp succeeds; the loader explains at first use.
        ['OS=="win"', { 'type': 'none' }, {
          'sources': [
            '<!@(node -p "require(\'fs\').readFileSync(\'native/sources.txt\', \'utf8\').split(/\\r?\\n/).map((line) => line.replace(/#.*/, \'\').trim()).filter(Boolean).join(\' \')")',
          ],
          'include_dirs': [
            'native',
            '<!(node -p "require(\'node-addon-api\').include_dir")',
          ],
          'defines': [
            'NAPI_VERSION=8',
            'NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS',
            'NODE_ADDON_API_DISABLE_DEPRECATED',
            # Or a worker that is terminated in the middle of a call would abort the process.
            'NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS',
          ],
          # Node's own default (gnu++17 in 20, gnu++20 later) would otherwise stand beside ours.
          'cflags_cc!': ['-std=gnu++17', '-std=gnu++20'],
          'cflags_cc': ['-std=c++20', '-fno-exceptions', '-fno-rtti', '-fvisibility=hidden', '-fvisibility-inlines-hidden'],
        }],
        ['OS!="win" and sanitize==""', {
          'cflags_cc': [
            '-O3', '-ffunction-sections', '-fdata-sections',
            # What bytes of strangers could do to a buffer is found out.
            '-fstack-protector-strong', '-U_FORTIFY_SOURCE', '-D_FORTIFY_SOURCE=2',
          ],
        }],
        ['OS=="linux" and sanitize==""', {
          # One binary for every distribution of the same libc: libstdc++ comes inside and stays invisible,
          # so that it neither needs the user's version nor collides with another addon's copy. libgcc stays outside:
          # Node needs it anyway, and the static unwinder of GCC 12 asks for glibc 2.35 (_dl_find_object), which would
          # lock out RHEL 9 and Amazon Linux 2023.
          'ldflags': [
            '-static-libstdc++',
            '-Wl,--gc-sections',
            '-Wl,--exclude-libs,ALL',
            '-Wl,--version-script,<(module_root_dir)/native/addon/exports.map',
            # Every symbol is bound when the addon is loaded, and what the loader has filled in is read-only from then on.
            '-Wl,-z,relro', '-Wl,-z,now', '-Wl,-z,noexecstack',
          ],
        }],
        ['OS=="linux" and sanitize!=""', {
          'cflags_cc': ['-O1', '-g', '-fno-omit-frame-pointer', '-fno-sanitize-recover=all', '-fsanitize=<(sanitize)'],
          'ldflags': ['-fsanitize=<(sanitize)'],
        }],
        ['OS=="mac"', {
          'xcode_settings': {
            'CLANG_CXX_LANGUAGE_STANDARD': 'c++20',
            'CLANG_CXX_LIBRARY': 'libc++',
            'MACOSX_DEPLOYMENT_TARGET': '11.0',
            'GCC_ENABLE_CPP_EXCEPTIONS': 'NO',
            'GCC_ENABLE_CPP_RTTI': 'NO',
            'GCC_SYMBOLS_PRIVATE_EXTERN': 'YES',
            'GCC_OPTIMIZATION_LEVEL': '3',
            'DEAD_CODE_STRIPPING': 'YES',
            'OTHER_CPLUSPLUSFLAGS': ['-fstack-protector-strong', '-U_FORTIFY_SOURCE', '-D_FORTIFY_SOURCE=2'],
          },
        }],
      ],
    },
  ],
}
