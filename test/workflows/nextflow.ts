/** Nextflow from Maven Central, once, and kept in the tests' cache. */
import { execFileSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { kept } from '../fixtures/kept.ts'

/** Of later versions, there are only some parts. */
const VERSION = '23.10.1'

const POM = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>test</groupId><artifactId>nextflow</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>io.nextflow</groupId><artifactId>nextflow</artifactId><version>${VERSION}</version></dependency>
  </dependencies>
</project>
`

/** As Nextflow's launcher lets it reach into Java's own modules. */
const OPENED = ['lang', 'io', 'nio', 'net', 'util', 'util.concurrent.locks', 'util.concurrent.atomic', 'util.regex']

/** The command, without its arguments. */
export async function nextflow(): Promise<string[]> {
  const jars = await kept(`nextflow-${VERSION}`, (folder) => {
    writeFileSync(join(folder, 'pom.xml'), POM)
    const repository = join(folder, 'repository')
    execFileSync(
      'mvn',
      [
        ...['--batch-mode', '--quiet', `--file=${folder}/pom.xml`, `-Dmaven.repo.local=${repository}`],
        ...['dependency:copy-dependencies', `-DoutputDirectory=${folder}/jars`],
      ],
      { stdio: ['ignore', 'inherit', 'inherit'] },
    )
    rmSync(repository, { recursive: true })
  })
  const opened = [...OPENED.map((name) => `java.${name}`), 'sun.nio.ch', 'sun.nio.fs']
  return [
    'java',
    // It runs for a few seconds.
    '-XX:TieredStopAtLevel=1',
    '-Xmx500m',
    ...opened.map((name) => `--add-opens=java.base/${name}=ALL-UNNAMED`),
    '-cp',
    join(jars, 'jars/*'),
    'nextflow.cli.Launcher',
  ]
}
