import assert from 'node:assert/strict'
import { test } from 'node:test'
import { callReader, type FileCall } from '../../src/evidence/trace/calls.ts'

function read(text: string): FileCall[] {
  const calls: FileCall[] = []
  const reader = callReader('/start', { onCall: (call) => void calls.push(call), onUnseen: () => {} })
  for (const line of text.trim().split('\n')) reader.line(line.trim())
  reader.end()
  return calls
}

const pathsIn = (text: string) => read(text).map(({ path }) => path)

test('a look-up is counted with its whole path, whatever it is relative to', () => {
  const paths = pathsIn(`
    7 execve("./tool", ["./tool", "/not/looked/up"], 0x7ffd /* 9 vars */) = 0
    7 openat(AT_FDCWD</start>, "lib/a.py", O_RDONLY|O_CLOEXEC) = 3</start/lib/a.py>
    7 openat(3</start/lib>, "b.py", O_RDONLY) = -1 ENOENT (No such file or directory)
    7 chdir("sub")                            = 0
    7 access("c", R_OK)                       = 0
    7 fchdir(4</far/away>)                    = 0
    7 stat("d", {st_mode=S_IFREG|0644, st_size=1, ...}) = 0
    7 chdir("/gone")                          = -1 ENOENT (No such file or directory)
    7 stat("e", 0x7ffc)                       = -1 ENOENT (No such file or directory)`)
  const expected = '/start/./tool /start/lib/a.py /start/lib/b.py /start/sub /start/sub/c /far/away/d /gone /far/away/e'
  assert.deepEqual(paths, expected.split(' '))
})

test('calls that ask for no name are not counted, and those with two names are counted twice', () => {
  const paths = pathsIn(`
    7 newfstatat(3</a>, "", {st_mode=S_IFREG|0644, st_size=1, ...}, AT_EMPTY_PATH) = 0
    7 getcwd("/start", 4096) = 7
    7 openat(AT_FDCWD, NULL, O_RDONLY) = -1 EFAULT (Bad address)
    7 rename("/a", "b") = 0
    7 linkat(3</x>, "one", AT_FDCWD, "two", 0) = 0
    7 symlink("text", "/link") = 0
    7 +++ exited with 0 +++`)
  assert.deepEqual(paths, ['/a', '/start/b', '/x/one', '/start/two', '/link'])
})

test('names of any bytes come through', () => {
  const [line] = pathsIn(String.raw`7 openat(3</a\76b>, "q\"\\\n\303\266\t.txt", O_RDONLY) = 4</x>`)
  assert.equal(line, '/a>b/q"\\\nö\t.txt')
})

test('calls that other processes interrupt are put together', () => {
  const calls = read(`
    7 openat(AT_FDCWD</start>, "a", O_RDONLY|O_NOFOLLOW <unfinished ...>
    8 stat("/b", {st_mode=S_IFDIR|0755, st_size=1, ...}) = 0
    7 <... openat resumed>) = -1 ELOOP (Too many levels of symbolic links)`)
  assert.deepEqual(calls, [
    { name: 'stat', path: '/b', follows: true, found: true, succeeded: true },
    { name: 'openat', path: '/start/a', follows: false, found: true, succeeded: false },
  ])
})

test('a child starts in the folder of its parent, even if it speaks first; threads move together, processes do not', () => {
  const paths = pathsIn(`
    1 chdir("/p") = 0
    1 vfork( <unfinished ...>
    2 stat("early", 0x1) = -1 ENOENT (No such file or directory)
    2 chdir("c") = 0
    2 stat("own", 0x1) = 0
    1 <... vfork resumed>) = 2
    1 stat("same", 0x1) = 0
    1 clone3({flags=CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_THREAD, child_tid=0x1} => {parent_tid=[3]}, 88) = 3
    3 chdir("/t") = 0
    1 stat("moved", 0x1) = 0
    3 +++ exited with 0 +++
    1 clone(child_stack=NULL, flags=CLONE_CHILD_CLEARTID|SIGCHLD, child_tidptr=0x1) = 3
    3 stat("new", 0x1) = 0`)
  assert.deepEqual(paths, ['/p', '/p/early', '/p/c', '/p/c/own', '/p/same', '/t', '/t/moved', '/t/new'])
})

test('what a child looks up that is gone before the call of its parent returns is counted, and so is what the next one of its number does', () => {
  const paths = pathsIn(`
    1 chdir("/p") = 0
    1 vfork( <unfinished ...>
    2 execve("none/a", ["a"], 0x7ffd /* 9 vars */) = -1 ENOENT (No such file or directory)
    2 +++ exited with 127 +++
    1 <... vfork resumed>) = 2
    1 chdir("/q") = 0
    1 clone(child_stack=NULL, flags=CLONE_CHILD_SETTID|SIGCHLD <unfinished ...>
    2 stat("b", {st_mode=S_IFREG|0644, st_size=1, ...}) = 0
    2 +++ exited with 0 +++
    1 <... clone resumed>) = 2`)
  assert.deepEqual(paths, ['/p', '/p/none/a', '/q', '/q/b'])
})

test('a name of which nobody knows what it is relative to is counted, too', () => {
  assert.deepEqual(pathsIn(`1 stat("/a", 0x1) = 0\n9 stat("lost", 0x1) = 0`), ['/a', undefined])
})

test('a link counts by itself for those calls that do not follow it', () => {
  const calls = read(`
    1 lstat("/a", 0x1) = 0
    1 readlink("/b", "x", 1) = 1
    1 newfstatat(AT_FDCWD, "/c", 0x1, AT_SYMLINK_NOFOLLOW) = 0
    1 unlinkat(AT_FDCWD, "/d", 0) = 0
    1 listxattr("/e", 0x1, 9) = 0
    1 lgetxattr("/f", "user.x", 0x1, 9) = -1 ENODATA (No data available)`)
  assert.deepEqual(
    calls.map(({ follows }) => follows),
    [false, false, false, false, true, false],
  )
})

test('a ring of io_uring that was made is told of, and one that was refused is not', () => {
  let rings = 0
  const reader = callReader('/', { onCall: () => assert.fail(), onUnseen: () => rings++ })
  reader.line('7 io_uring_setup(4, {flags=0, sq_thread_cpu=0}) = -1 EPERM (Operation not permitted)')
  assert.equal(rings, 0)
  reader.line('7 io_uring_setup(4, {flags=0, sq_thread_cpu=0}) = 3<anon_inode:[io_uring]>')
  assert.equal(rings, 1)
})
