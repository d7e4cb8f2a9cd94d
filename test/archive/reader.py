"""Extracts an archive of conda-stage by what docs/archive-format.md says, and by nothing else: reader.py ARCHIVE FOLDER [PREFIX].
With PREFIX, as long as the original's, the prefix is replaced where it is spelled in UTF-8, UTF-16 or UTF-32."""
import gzip, hashlib, json, os, struct, subprocess, sys, zlib

zstd = lambda data: subprocess.run(['zstd', '-dcq'], input=data, stdout=subprocess.PIPE, check=True).stdout
UNPACK = {1: zstd, 2: gzip.decompress, 3: bytes, 4: lambda data: zlib.decompressobj(-15).decompress(data)}
CODECS = {'utf8': 'utf-8', **{f'utf{n}{e}': f'utf-{n}-{e}' for n in (16, 32) for e in ('le', 'be')}}

archive, folder, new_prefix = open(sys.argv[1], 'rb').read(), os.fsencode(sys.argv[2]), (sys.argv[3:] or [None])[0]
ends = [len(archive) - 256, len(archive) - 266] + ([int(archive[-16:]) - 256] if archive[-16:].isdigit() else [])
at = next(end for end in ends if archive[end : end + 8] == b'CSTAGEIX')
footer = archive[at : at + 256]
assert hashlib.sha256(footer[:224]).digest() == footer[224:], 'the footer is damaged'
version, kind, start, total = struct.unpack_from('<IIQQ', footer, 8)
assert version == 1 and total == len(archive), 'another format, or cut'
if kind == 2:  # pieces in the extra fields of empty members
    payload, piece = b'', start
    while archive[piece + 16 : piece + 24] != b'CSTAGEIX':
        end = piece + 16 + struct.unpack_from('<H', archive, piece + 14)[0]
        payload, piece = payload + archive[piece + 16 : end], end + 10
else:
    payload = archive[start + (8 if kind == 1 else 0) : at]
sections, begin = [], 0
for number, place in enumerate((32, 80, 128)):
    stored, size, digest = struct.unpack_from('<QQ32s', footer, place)
    section, begin = payload[begin : begin + stored], begin + stored
    assert hashlib.sha256(section).digest() == digest, 'the index is damaged'
    sections.append(section if number == 1 else (zstd if kind == 1 else gzip.decompress)(section))
entries, digests, head = json.loads(sections[0]), sections[1], json.loads(sections[2])

offsets = entries.get('frameOffsets')
if offsets is None:  # one behind the other, up to the container
    offsets = [start - sum(entries['compressedSizes'][n:]) for n in range(len(entries['frameSizes']))]
frame = lambda n: UNPACK[kind](archive[offsets[n] : offsets[n] + entries['compressedSizes'][n]])
paths = [b'']
for name, parent in zip(entries['names'].split('/'), entries['parents']):
    paths.append(os.path.join(paths[parent], name.encode('latin-1')))
relocations, targets, links = dict(entries['relocations']), iter(entries['targets']), iter(entries['links'])
files = iter(range(len(entries['sizes'])))

def content(n):
    number, offset, data = entries['frames'][n], entries['offsets'][n], b''
    while len(data) < entries['sizes'][n]:
        data, number, offset = data + frame(number)[offset : offset + entries['sizes'][n] - len(data)], number + 1, 0
    assert hashlib.sha256(data).digest()[:16] == digests[16 * n : 16 * n + 16], 'a file is damaged'
    for place in relocations.get(n, {'occurrences': []})['occurrences'] if new_prefix else []:
        old, new = (prefix.encode(CODECS[place['encoding']]) for prefix in (head['prefixes'][place['prefix']], new_prefix))
        assert data[place['offset'] :].startswith(old) and len(old) == len(new), 'a place of the prefix has something else'
        data = data[: place['offset']] + new + data[place['offset'] + len(new) :]
    return data

def make(letter, path):
    if letter == 'd': os.mkdir(path, 0o700)
    if letter == 'f': open(path, 'xb').write(content(next(files)))
    if letter == 'l': os.symlink(next(targets).encode('latin-1'), path)
    if letter == 'h': os.link(os.path.join(folder, paths[next(links)]), path)

for kind_of_entry in 'dfhl':
    for number, letter in enumerate(entries['types']):
        if letter == kind_of_entry: make(letter, os.path.join(folder, paths[number]))
for number, letter in reversed(list(enumerate(entries['types']))):
    path, time = os.path.join(folder, paths[number]), entries['seconds'][number] * 10**9 + entries['nanos'][number]
    if letter != 'l': os.chmod(path, entries['modes'][number])
    os.utime(path, ns=(time, time), follow_symlinks=False)
