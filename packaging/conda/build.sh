# Lays the npm package as npm would. Run by rattler-build in the unpacked source.
set -eu

package=$PREFIX/lib/node_modules/conda-stage
mkdir -p "$package" "$PREFIX/bin" "$PREFIX/share/man/man1"
cp -R package.json README.md LICENSE CHANGELOG.md bin dist docs share "$package"
ln -s ../lib/node_modules/conda-stage/bin/conda-stage "$PREFIX/bin/conda-stage"
cp dist/conda-stage.1 "$PREFIX/share/man/man1"

# While another environment is active, PATH does not lead to the Node of this one. So it stands where npm would put Node.
for machine in x64 arm64; do
  mkdir -p "$PREFIX/lib/node_modules/node-linux-$machine/bin"
  ln -s ../../../../bin/node "$PREFIX/lib/node_modules/node-linux-$machine/bin/node"
done
