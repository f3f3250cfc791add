import Foundation
import HDF5
import MPI
import System
import Tensors

/// The program, the command and the machine that produced a file: part of everything that a run writes.
package struct Provenance: Sendable, Equatable, Codable {
    /// The version of kaon.
    package let kaon: String
    /// The git commit of the program; `unknown` for a build outside git.
    package let commit: String
    /// True if a source file differed from the commit.
    package let modified: Bool
    /// The command line of this process, quoted for a shell.
    package let command: String
    /// The host of this process.
    package let host: String
    package let processor: String
    /// Names and versions of the libraries.
    package let libraries: String
    /// The seed of the run; nil outside a run.
    package let seed: UInt64?

    /// The provenance of what this process writes.
    package init(seed: UInt64? = nil) {
        let revision = SourceRevision.current
        kaon = kaonVersion
        (commit, modified) = (revision.commit ?? "unknown", revision.isModified)
        command = Self.commandLine
        host = ProcessInfo.processInfo.hostName
        processor = processorModel
        libraries = Self.libraryVersions
        self.seed = seed
    }

    /// The name of the program without its folder, and its arguments.
    private static let commandLine: String = {
        let arguments = CommandLine.arguments
        let program = arguments.first.map { URL(fileURLWithPath: $0).lastPathComponent } ?? "kaon"
        return ([program] + arguments.dropFirst()).map(quotedForShell).joined(separator: " ")
    }()

    private static let libraryVersions =
        "\(MPIEnvironment.libraryVersion), HDF5 \(HDF5Library.version), OpenBLAS \(BLAS.version)"

    /// Names and values, in the order in which they are printed.
    package var entries: [(name: String, value: String)] {
        [
            ("kaon", kaon), ("commit", commit + (modified ? " (modified)" : "")), ("command", command), ("host", host),
            ("processor", processor), ("libraries", libraries),
        ] + (seed.map { [("seed", "\($0)")] } ?? [])
    }

    /// The lines of `kaon --version`: the version alone in the first.
    package var versionText: String {
        let others = entries.filter { !["kaon", "command", "seed"].contains($0.name) }
        return ([kaon] + others.map { "\($0.name): \($0.value)" }).joined(separator: "\n")
    }

    /// The beginning of `header`.
    static let firstBytes = "# kaon: "

    /// Comment lines for the top of a YAML file, with the time.
    package func header(date: Date = Date()) -> String {
        (entries + [("started", date.formatted(.iso8601))]).map { "# \($0.name): \($0.value)\n" }.joined()
    }

    /// Sets an attribute for each entry. Throws `HDF5Error`.
    package func save(to group: borrowing Group) throws {
        for (name, value) in entries { try group.setAttribute(name, to: value) }
    }

    /// The entries but the version that `save` has written, as `name: value`; empty for a file of an earlier version.
    /// Throws `HDF5Error`.
    package static func lines(in group: borrowing Group) throws -> [String] {
        var lines: [String] = []
        for name in ["commit", "command", "host", "processor", "libraries"] where group.hasAttribute(name) {
            lines.append("\(name): \(try group.stringAttribute(name))")
        }
        return lines
    }
}
