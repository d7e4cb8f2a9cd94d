import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { describe, test } from 'node:test'
import { readOptions } from '../../src/cli/options.ts'
import { listing } from '../cli/world.ts'
import { installEnvironment } from '../fixtures/environment.ts'
import { ALICE, NEEDS_ROOT } from '../platform/other-users.ts'
import { active, EVERY_SHELL } from '../shells/cases.ts'
import { asUser, type Ended, openWorld } from './open-world.ts'

const SKIP = { skip: NEEDS_ROOT }

function assertSucceeded(ended: Ended): void {
  assert.equal(ended.status, 0, `${ended.lines.join('\n')}\n${ended.stderr}`)
}

describe('--mount', SKIP, () => {
  for (const { name, dialect, argv } of EVERY_SHELL) {
    const source = '$LAUNCHER --source='
    const hook =
      dialect === 'fish'
        ? `${source}fish | source`
        : dialect === 'tcsh'
          ? `eval "\`${source}tcsh\`"`
          : `eval "$(${source}${dialect})"`

    test(`in ${name}, the image is mounted and active, then unmounted, and nothing is left`, async (context) => {
      const world = await openWorld(context)
      const before = listing(world.prefix)
      const script = `${hook}
conda-stage --quiet --mount --path=$LOCAL
printenv CONDA_PREFIX
printenv CONDA_PROMPT_MODIFIER
grep -c " $CONDA_PREFIX .* fuse.squashfuse_ll " /proc/self/mountinfo
conda-stage --quiet --unstage
printenv CONDA_PREFIX
grep -c " $LOCAL/.* fuse.squashfuse_ll " /proc/self/mountinfo
`
      const ended = asUser(world, script, { program: [...argv, '-c'], more: active(world.prefix) })
      const [prefix, prompt, mounted, original, left] = ended.lines
      assert.match(prefix ?? '', new RegExp(`^${world.local}/conda-stage_\\w+/myjupyter$`), ended.stderr)
      assert.equal(prefix!.length, world.prefix.length)
      assert.deepEqual([prompt, mounted, original, left], ['(my*) ', '1', world.prefix, '0'], ended.stderr)
      assert.deepEqual(readdirSync(world.local), [])
      assert.deepEqual(listing(world.prefix), before)
    })
  }

  test('the files of a mount are those of an extracted copy, relocated, and --verify finds them sound', async (context) => {
    const world = await openWorld(context)
    const ended = asUser(
      world,
      `copy=$("$LAUNCHER" --quiet --prefix="$ORIGINAL" --path="$LOCAL")
      mount=$(stage --quiet)
      "$LAUNCHER" --quiet --verify --prefix="$mount" > /dev/null
      cd "$mount"; find . -type f -o -type l | sort > "$CACHE/of-mount"
      cd "$copy"; find . -type f -o -type l | sort > "$CACHE/of-copy"
      diff "$CACHE/of-mount" "$CACHE/of-copy" | grep -v __pycache__ || :
      grep -rlaF "$ORIGINAL" "$mount" || :
      for file in small.cfg large.cfg; do sed "s|$mount|$ORIGINAL|" "$mount/etc/$file" | cmp - "$ORIGINAL/etc/$file"; done
      readlink "$mount/etc/absolute"; stat -c %a "$mount/etc/small.cfg"; echo "$mount"`,
    )
    assertSucceeded(ended)
    const mount = ended.lines.at(-1)
    assert.deepEqual(ended.lines, [`${mount}/etc/small.cfg`, '444', mount])
  })

  test('Python starts from a mount, imports a package with libraries, and finds its byte code valid', async (context) => {
    const world = await openWorld(context)
    const ORIGINAL = `${dirname(world.prefix)}/numeric`
    await installEnvironment(ORIGINAL, { packages: 'real', specs: ['python', 'numpy'], byHand: false })
    execFileSync('chown', ['-R', `${ALICE}:${ALICE}`, ORIGINAL])
    const ended = asUser(
      world,
      `mount=$(stage --quiet); "$mount/bin/python" -v -c 'import numpy, ssl, sys; print(sys.prefix, numpy.arange(4).sum())' 2> "$CACHE.log"
      echo "$mount"; grep -c "matches $mount/.*py" "$CACHE.log" > /dev/null; grep 'is stale\\|bytecode is invalid' "$CACHE.log" || :`,
      { more: { ORIGINAL } },
    )
    assertSucceeded(ended)
    const [said, mount] = ended.lines
    assert.deepEqual([said, ended.lines.length], [`${mount} 6`, 2], ended.lines.join('\n'))
  })

  test('an archive or an image whose original is gone is mounted by itself, and shared', async (context) => {
    const world = await openWorld(context)
    const ended = asUser(
      world,
      `"$LAUNCHER" --quiet --pack --prefix="$ORIGINAL" --output="$CACHE-a.tar.zst"
      "$LAUNCHER" --quiet --pack --format=squashfs --prefix="$ORIGINAL" --output="$CACHE-a.sqfs"
      mv "$ORIGINAL" "$ORIGINAL.gone"
      for archive in "$CACHE-a.tar.zst" "$CACHE-a.sqfs"; do
        alone() { "$LAUNCHER" --quiet --mount --archive="$archive" --path="$LOCAL"; }
        mount=$(alone)
        [ "$(alone)" = "$mount" ] && mounts
        head -1 "$mount/etc/large.cfg" | sed "s,$mount,THERE,"
        "$LAUNCHER" --quiet --verify --prefix="$mount" > /dev/null
        for asked in once twice; do "$LAUNCHER" --quiet --unstage --prefix="$mount"; done
        mounts
      done
      mv "$ORIGINAL.gone" "$ORIGINAL"`,
    )
    assertSucceeded(ended)
    const each = ['1', 'prefix = THERE', '0']
    assert.deepEqual(ended.lines, [...each, ...each], ended.stderr)
  })

  test('a second shell uses the same mount, and the last one to leave unmounts it', async (context) => {
    const world = await openWorld(context)
    const ended = asUser(
      world,
      `first=$(stage --quiet); second=$(stage --quiet); test "$first" = "$second"; servers | wc -l
      "$LAUNCHER" --quiet --unstage --prefix="$first"; mounts
      "$LAUNCHER" --list --path="$LOCAL" | grep -c 'a mounted image'
      "$LAUNCHER" --quiet --unstage --prefix="$first"; mounts; until_it 'test -z "$(servers)"'; ls "$LOCAL"`,
    )
    assertSucceeded(ended)
    assert.deepEqual(ended.lines, ['1', '1', '1', '0'], ended.stderr)
  })

  test('of calls at the same time, one makes the image and mounts it, and the others share it', async (context) => {
    const world = await openWorld(context)
    const ended = asUser(
      world,
      `for call in 1 2 3 4; do stage 2>> "$CACHE.log" & done | sort -u | wc -l; mounts; servers | wc -l
      grep -c 'Making an image' "$CACHE.log"; grep -c 'Extracting' "$CACHE.log" || :`,
    )
    assertSucceeded(ended)
    assert.deepEqual(ended.lines, ['1', '1', '1', '1', '0'], ended.stderr)
  })

  test('the image is made once, and again when the environment has changed: at another path, while the old one stays', async (context) => {
    const world = await openWorld(context)
    const ended = asUser(
      world,
      `first=$(stage); ls "$CACHE"; "$LAUNCHER" --quiet --unstage --prefix="$first"
      again=$(stage); test "$first" = "$again"
      sleep 0.1; echo x > "$ORIGINAL/conda-meta/new.txt"
      changed=$(stage); test "$first" != "$changed"; mounts; ls "$CACHE" | wc -l; cat "$changed/conda-meta/new.txt"
      test ! -e "$again/conda-meta/new.txt"`,
    )
    assertSucceeded(ended)
    assert.match(ended.lines[0]!, /^myjupyter-[0-9a-f]{12}\.sqfs$/)
    assert.deepEqual(ended.lines.slice(1), ['2', '1', 'x'])
    assert.equal(ended.stderr.match(/Making an image/g)?.length, 2, ended.stderr)
  })

  test('after kill -9 of the server, the next call mounts the image again for those who use it', async (context) => {
    const world = await openWorld(context)
    const ended = asUser(
      world,
      `first=$(stage --quiet); kill -9 $(servers); until_it '! ls "$first" 2> /dev/null'
      "$LAUNCHER" --list --path="$LOCAL" > /dev/null
      again=$(stage); test "$first" = "$again"; cat "$first/conda-meta/history" > /dev/null; mounts
      for times in 1 2; do "$LAUNCHER" --quiet --unstage --prefix="$first"; done; mounts; ls "$LOCAL"`,
    )
    assertSucceeded(ended)
    assert.deepEqual(ended.lines, ['1', '0'], ended.stderr)
    assert.match(ended.stderr, /INFO: The program that served \S+ has ended: mounting the image again\n/)
  })

  test('a session whose server was killed mounts the image again with the next call, or goes back to the original', async (context) => {
    const world = await openWorld(context)
    const ended = asUser(
      world,
      `eval "$("$LAUNCHER" --source=bash)"; conda-stage --quiet --mount --path="$LOCAL"; kill -9 $(servers)
      until_it '! ls "$CONDA_PREFIX" 2> /dev/null'; conda-stage --mount; cat "$CONDA_PREFIX/etc/small.cfg" > /dev/null
      kill -9 $(servers); until_it '! ls "$CONDA_PREFIX" 2> /dev/null'
      conda-stage --quiet --unstage; echo "$CONDA_PREFIX"; mounts; ls -A "$LOCAL"`,
      { more: active(world.prefix) },
    )
    assertSucceeded(ended)
    assert.deepEqual(ended.lines, [world.prefix, '0'], ended.stderr)
    assert.match(ended.stderr, /INFO: The program that served \S+ has ended: mounting the image again\n/)
  })

  test('a mount whose server and sessions were all killed is gone with the next call, and so it is with --clean', async (context) => {
    const world = await openWorld(context)
    const killed = `sleep 100 & user=$!; first=$(stage --quiet --session=$user); kill -9 $user $(servers)
      wait $user 2> /dev/null || :; until_it '! ls "$first" 2> /dev/null'`
    const ended = asUser(
      world,
      `${killed}
      "$LAUNCHER" --quiet --clean --path="$LOCAL"; mounts; ls "$LOCAL"
      ${killed}
      "$LAUNCHER" --quiet --prefix="$ORIGINAL" --path="$LOCAL" > /dev/null; mounts; ls "$LOCAL" | wc -l`,
    )
    assertSucceeded(ended)
    assert.deepEqual(ended.lines, ['0', '0', '1'], ended.stderr)
  })

  test('a killed session leaves its mount to the process that waits for its end', async (context) => {
    const world = await openWorld(context)
    const ended = asUser(
      world,
      `bash -c 'eval "$("$LAUNCHER" --source=bash)"; conda-stage --quiet --mount --path="$LOCAL"; kill -9 $$' || :
      until_it 'test -z "$(ls -A "$LOCAL")"'; mounts`,
      { more: active(world.prefix) },
    )
    assertSucceeded(ended)
    assert.deepEqual(ended.lines, ['0'], ended.stderr)
  })

  test('a mount is unmounted while a program still reads from it, which reads on', async (context) => {
    const world = await openWorld(context)
    const ended = asUser(
      world,
      `first=$(stage --quiet); exec 5< "$first/conda-meta/history"
      "$LAUNCHER" --quiet --unstage --prefix="$first"; mounts; ls "$LOCAL"; cat <&5 > /dev/null; exec 5<&-
      until_it 'test -z "$(servers)"'`,
    )
    assertSucceeded(ended)
    assert.deepEqual(ended.lines, ['0'], ended.stderr)
  })

  test('a process in a mount namespace of its own does not keep a mount that it only sees', async (context) => {
    const world = await openWorld(context)
    const ended = asUser(
      world,
      `sleep 100 & user=$!; stage --quiet --session=$user > /dev/null
      unshare -Um --map-current-user sleep 100 & other=$!; sleep 0.2; kill -9 $user; wait $user 2> /dev/null || :
      "$LAUNCHER" --quiet --clean --path="$LOCAL"; mounts; ls "$LOCAL"; kill $other`,
    )
    assertSucceeded(ended)
    assert.deepEqual(ended.lines, ['0'], ended.stderr)
  })

  test('steps of one job share a mount no more than jobs do: whoever comes second gets an extracted copy, and is told why', async (context) => {
    const world = await openWorld(context)
    const ended = asUser(
      world,
      `first=$(stage --quiet)
      second=$(SLURM_JOB_ID=812 stage --no-skip-local); test "$first" != "$second"; test -d "$second/conda-meta"
      mounts; "$LAUNCHER" --quiet --unstage --prefix="$first"
      third=$(SLURM_JOB_ID=812 SLURM_STEP_ID=0 stage --quiet --no-skip-local); test "$third" = "$first"
      again=$(SLURM_JOB_ID=812 SLURM_STEP_ID=0 stage --quiet --no-skip-local); test "$third" = "$again"
      other=$(SLURM_JOB_ID=812 SLURM_STEP_ID=1 stage --no-skip-local); test "$third" != "$other"; mounts`,
    )
    assertSucceeded(ended)
    assert.deepEqual(ended.lines, ['1', '1'], ended.stderr)
    const said = ended.stderr.split('\n').filter((line) => line.includes('Not mounted'))
    assert.match(
      said[0]!,
      /^INFO: Not mounted: a session outside of this job has mounted .* Extracting a copy instead$/,
    )
    assert.match(said[1]!, /^INFO: Not mounted: job 812\.0 has mounted .* and its mount ends with it\. Extracting/)
  })

  test("where images can't be mounted, one line says why, and a copy is extracted", async (context) => {
    const world = await openWorld(context)
    const extracted = `copy=$(stage); test "$(mounts)" = 0; test -f "$copy/conda-meta/history"; ls "$CACHE" 2> /dev/null || :`
    const closed = asUser(world, extracted, { before: 'chmod 600 /mnt/fuse' })
    assertSucceeded(closed)
    assert.match(closed.stderr, /INFO: Not mounted: \/dev\/fuse can't be used: permission denied\. Extracting a copy/i)
    const missing = asUser(world, extracted, { before: 'mount --bind /mnt/passwd /usr/bin/squashfuse_ll' })
    assertSucceeded(missing)
    assert.match(
      missing.stderr,
      /INFO: Not mounted: there is no squashfuse_ll here \(package squashfuse\)\. Extracting/,
    )
    assert.deepEqual([...closed.lines, ...missing.lines], [], 'an image was made in vain')
    const refused = asUser(world, extracted.replace('; ls "$CACHE" 2> /dev/null || :', ''), {
      before: 'mount --bind /mnt/passwd /usr/bin/fusermount3',
    })
    assertSucceeded(refused)
    assert.match(
      refused.stderr,
      /INFO: Not mounted: \/usr\/bin\/squashfuse_ll failed: .*fusermount3.*\. Extracting a copy/,
    )
  })

  test('--in-place reads the image where it is cached, and leaves it there', async (context) => {
    const world = await openWorld(context)
    const ended = asUser(
      world,
      `first=$(stage --quiet --in-place); ls "$(dirname "$first")"; cat "$first/conda-meta/history" > /dev/null
      "$LAUNCHER" --quiet --unstage --prefix="$first"; mounts; ls "$CACHE" | wc -l`,
    )
    assertSucceeded(ended)
    assert.deepEqual(ended.lines, ['myjupyter', 'owner.json', 'stage.index', 'stage.json', '0', '1'])
  })

  test('an image in which the program has left something out is not mounted', async (context) => {
    const world = await openWorld(context)
    const ended = asUser(
      world,
      `printf '%s\\n' '#!/bin/sh' '[ "$1" != -help ] || { echo "-tar"; exit; }' 'cat > /dev/null' \\
        'cd "$(mktemp -d)" && exec /usr/bin/mksquashfs . "$2" -noappend -no-progress' > "$LOCAL/../mksquashfs"
      chmod +x "$LOCAL/../mksquashfs"; export CONDA_STAGE_MKSQUASHFS=$(realpath "$LOCAL/../mksquashfs")
      copy=$(stage); test -f "$copy/conda-meta/history"; mounts; ls -A "$CACHE"`,
    )
    assertSucceeded(ended)
    assert.deepEqual(ended.lines, ['0'])
    assert.match(
      ended.stderr,
      /Not mounted: The image \S+ is not what was packed: .* is in the index, but not in the image/,
    )
  })

  test('an image whose bytes have changed is made again', async (context) => {
    const world = await openWorld(context)
    const ended = asUser(
      world,
      `"$LAUNCHER" --quiet --unstage --prefix="$(stage --quiet)"
      printf '\\377\\376\\375' | dd of="$(ls "$CACHE"/*.sqfs)" bs=1 seek=3000 conv=notrunc 2> /dev/null; stage > /dev/null; mounts`,
    )
    assertSucceeded(ended)
    assert.deepEqual(ended.lines, ['1'], ended.stderr)
    assert.match(ended.stderr, /WARNING: The archive \S+ is damaged: .*\. Making it again\n/)
  })

  test('files whose paths change their length are relocated, too, where the original has a shorter path', async (context) => {
    const world = await openWorld(context)
    const ended = asUser(
      world,
      `LOCAL=$LOCAL/a-folder-whose-name-is-longer-than-the-path-of-the-original; mkdir "$LOCAL"
      mount=$(stage --quiet); test \${#mount} -gt \${#ORIGINAL}; "$LAUNCHER" --quiet --verify --prefix="$mount" > /dev/null
      for file in small.cfg large.cfg; do sed "s|$mount|$ORIGINAL|" "$mount/etc/$file" | cmp - "$ORIGINAL/etc/$file"; done
      readlink "$mount/etc/absolute"; echo "$mount"`,
    )
    assertSucceeded(ended)
    assert.deepEqual(ended.lines, [`${ended.lines[1]}/etc/small.cfg`, ended.lines[1]])
  })

  test('without --path, the image is mounted in /tmp, whatever folders the job and the configuration have', async (context) => {
    const world = await openWorld(context)
    const ended = asUser(
      world,
      `mount=$("$LAUNCHER" --quiet --mount --prefix="$ORIGINAL" --no-skip-local); grep -c " $mount " /proc/self/mountinfo
      "$LAUNCHER" --list | grep -c 'a mounted image'; "$LAUNCHER" --quiet --unstage --prefix="$mount"
      ls -d "$(dirname "$mount")" 2> /dev/null || echo "$mount"`,
      { more: { SLURM_JOB_ID: '812', SLURM_TMPDIR: world.local } },
    )
    assertSucceeded(ended)
    assert.deepEqual(ended.lines.slice(0, 2), ['1', '1'])
    assert.match(ended.lines[2]!, /^\/tmp\/conda-stage_\w+\/myjupyter$/)
  })

  test('a call that is stopped by a signal takes back what it has begun, unless the caller has its result', async (context) => {
    const world = await openWorld(context)
    const ended = asUser(
      world,
      `"$LAUNCHER" --quiet --unstage --prefix="$(stage --quiet)"
      for delay in 0.12 0.16 0.20 0.24 0.28; do
        "$LAUNCHER" --quiet --mount --prefix="$ORIGINAL" --path="$LOCAL" > "$CACHE.path" 2> /dev/null & call=$!
        sleep $delay; kill -TERM $call 2> /dev/null || :; wait $call || :
        path=$(cat "$CACHE.path"); if [ -n "$path" ]; then "$LAUNCHER" --quiet --unstage --prefix="$path"; fi
        mounts
      done
      until_it 'test -z "$(servers)"'; "$LAUNCHER" --quiet --unstage --prefix="$(stage --quiet)"; ls -A "$LOCAL"`,
    )
    assertSucceeded(ended)
    assert.deepEqual(ended.lines, ['0', '0', '0', '0', '0'], ended.stderr)
  })

  test('an image that others could exchange is copied in spite of --in-place', async (context) => {
    const world = await openWorld(context)
    const ended = asUser(
      world,
      `mkdir -m 777 "$LOCAL/../open"; export XDG_CONFIG_HOME="$LOCAL/../config"; mkdir -p "$XDG_CONFIG_HOME/conda-stage"
      echo "archive-folder: $(realpath "$LOCAL/../open")" > "$XDG_CONFIG_HOME/conda-stage/config.yaml"
      chmod 777 "$LOCAL/../open"; first=$(stage --in-place); ls "$(dirname "$first")" | grep sqfs; mounts`,
    )
    assertSucceeded(ended)
    assert.deepEqual(ended.lines, ['stage.sqfs', '1'], ended.stderr)
    assert.match(
      ended.stderr,
      /INFO: The image \S+ is copied: \S+ is writable for everybody .* put another file in its place/,
    )
  })

  test('a call that is killed at any moment leaves no mount and no folder behind the next call', async (context) => {
    const world = await openWorld(context)
    const ended = asUser(
      world,
      `"$LAUNCHER" --quiet --unstage --prefix="$(stage --quiet)"
      for delay in 0.10 0.14 0.18 0.22 0.26 0.30 0.34 0.38; do
        sleep 100 & user=$!
        "$LAUNCHER" --quiet --mount --prefix="$ORIGINAL" --path="$LOCAL" --session=$user > /dev/null & call=$!
        sleep $delay
        kill -9 $call $user 2> /dev/null || :; wait $call $user 2> /dev/null || :
        "$LAUNCHER" --quiet --clean --path="$LOCAL"
        until_it 'test "$(mounts)" = 0 && test -z "$(servers)"'
        ls "$LOCAL"
      done
      "$LAUNCHER" --quiet --unstage --prefix="$(stage --quiet)"; ls -A "$LOCAL"`,
    )
    assertSucceeded(ended)
    assert.deepEqual(ended.lines, [], ended.stderr)
  })

  test('a server whose conda-stage was killed before it wrote its record is ended by the next call', async (context) => {
    const world = await openWorld(context)
    const ended = asUser(
      world,
      `"$LAUNCHER" --quiet --unstage --prefix="$(stage --quiet)"
      printf '#!/bin/sh\\nkill -9 $PPID\\nexec /usr/bin/squashfuse_ll "$@"\\n' > "$CACHE/squashfuse_ll"
      chmod +x "$CACHE/squashfuse_ll"
      CONDA_STAGE_SQUASHFUSE="$CACHE/squashfuse_ll" stage --quiet 2> /dev/null || :
      until_it 'test "$(mounts)" = 1'; "$LAUNCHER" --quiet --clean --path="$LOCAL"; mounts; ls -A "$LOCAL"
      until_it 'test -z "$(servers)"'`,
    )
    assertSucceeded(ended)
    assert.deepEqual(ended.lines, ['0'], ended.stderr)
  })

  test('something else in the place of the mount is left alone, and a copy is extracted', async (context) => {
    const world = await openWorld(context)
    const ended = asUser(
      world,
      `first=$(stage --quiet); "$LAUNCHER" --quiet --unstage --prefix="$first"
      folder=$(dirname "$first"); ln -s "$ORIGINAL" "$folder"; copy=$(stage); test "$copy" != "$first"; mounts
      readlink "$folder"`,
    )
    assertSucceeded(ended)
    assert.deepEqual(ended.lines, ['0', world.prefix])
    assert.match(ended.stderr, /Not mounted: Something else is at the path of the copy/)
  })
})

const REFUSED: [string[], RegExp][] = [
  [['--in-place'], /--in-place works only with --mount, --exec and --shell/],
  [['--mount', '--unstage'], /--mount works only with --stage/],
  [['--mount', '--dry-run'], /--mount works only with --stage/],
  [['--mount', '--nodes=all'], /--mount and --nodes can't be combined/],
  [['--mount', '--writable'], /shared and read-only: it can't be combined with --writable and --private/],
  [['--mount', '--private'], /shared and read-only: it can't be combined with --writable and --private/],
]

for (const [args, says] of REFUSED)
  test(`${args.join(' ')} is refused before anything is done`, async () => {
    await assert.rejects(readOptions(args, {}, '/'), says)
  })
