import ArgumentParser
import Foundation
import HDF5
import Jets
import Runs
import System

struct Pack: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Writes files of jets into one packed file: without padding, compressed, quick to read.",
        discussion: """
            A source is a file in the padded or the packed layout, a folder of such, or a pattern with *. Jets \
            keep their order; class names and all further datasets are kept. The file appears when it is complete.

              kaon pack train.h5 --output train-packed.h5
              kaon pack 'data/*.h5' --output all.h5 --compression 6
            """)

    @Argument(help: "Files, folders or patterns.", completion: .file(extensions: ["h5"]))
    var sources: [String]

    @Option(name: .shortAndLong, help: "The file to write.", completion: .file(extensions: ["h5"]))
    var output: String

    @Option(help: "How hard to compress, 0 (not at all) to 9.")
    var compression = 4

    @Option(help: "The most constituents of a jet that are kept.")
    var maxConstituents = 128

    @Option(help: "Only the first jets, this many.")
    var jets: Int?

    @Flag(help: "Replace the output where it is there already.")
    var force = false

    func validate() throws {
        guard 0...9 ~= compression else {
            throw ValidationError("--compression must be from 0 to 9, found \(compression)")
        }
        if let jets, jets < 1 { throw ValidationError("--jets must be at least 1, found \(jets)") }
        guard maxConstituents > 0 else {
            throw ValidationError("--max-constituents must be at least 1, found \(maxConstituents)")
        }
    }

    func run() throws {
        let console = Console(isSilent: false)
        console.say(
            try pack(
                sources, to: output, compression: compression, maxConstituents: maxConstituents,
                jets: jets, overwrites: force, console: console))
    }
}

/// `kaon pack`: files of jets into one packed file, which is there complete or not at all.
///
/// Returns a sentence about what was written. Throws `HDF5Error`, `JetError` at what cannot be packed, and
/// `KaonError` where the output is there already and `overwrites` is false, or cannot be written.
package func pack(
    _ sources: [String], to output: String, compression: Int, maxConstituents: Int, jets: Int?,
    overwrites: Bool,
    console: Console
) throws -> String {
    guard overwrites || !FileManager.default.fileExists(atPath: output) else {
        throw KaonError("\(output) is there already; give another name, or --force to replace it")
    }
    var options = JetPacker.Options()
    options.compression = compression
    options.maxConstituents = maxConstituents
    options.jets = jets
    options.creator = "kaon \(kaonVersion)"
    let packer = try JetPacker(sources, options: options)
    var summary: JetPacker.Summary?
    try replaceFile(output) { root in
        summary = try packer.write(to: root) { done, all in
            console.progress("packed \(done) of \(all) jets", isLogged: false)
        }
    }
    console.endProgress()
    let (before, after) = (packer.paths.reduce(0) { $0 + fileSize($1) }, fileSize(output))
    return
        "\(output): \(summary!.jets) jets with \(summary!.constituents) constituents, \(megabytes(after)) of "
        + "\(megabytes(before))"
}
