import ArgumentParser
import Foundation
import HDF5
import Jets
import Runs
import Supervision
import System

struct Pack: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Packs data files into one compressed file without padding, which is faster to read.",
        discussion: """
            Sources are data files in the padded or the packed layout, folders of such files, or quoted patterns with \
            *. The order of the jets, the class names and all other datasets are kept, groups are not. The output file \
            appears only when it is complete.

              kaon pack train.h5 --output train-packed.h5
              kaon pack 'data/*.h5' --output all.h5 --compression 6
            """)

    @Argument(help: "Files, folders or patterns.", completion: .file(extensions: ["h5"]))
    var sources: [String]

    @Option(name: .shortAndLong, help: "The file to write.", completion: .file(extensions: ["h5"]))
    var output: String

    @Option(help: "Compression level, 0 (none) to 9.")
    var compression = 4

    @Option(help: "Maximum number of constituents per jet; those with the lowest pT are dropped (default: all).")
    var maxConstituents: Int?

    @Option(help: "Number of jets to keep, from the first (default: all).")
    var jets: Int?

    @Flag(help: "Accept jets without constituents, which are errors otherwise.")
    var allowEmptyJets = false

    @Flag(help: "Replace an existing output file.")
    var force = false

    func validate() throws {
        guard 0...9 ~= compression else {
            throw ValidationError("--compression must be from 0 to 9, found \(compression)")
        }
        if let jets, jets < 1 { throw ValidationError("--jets must be at least 1, found \(jets)") }
        if let maxConstituents, maxConstituents < 1 {
            throw ValidationError("--max-constituents must be at least 1, found \(maxConstituents)")
        }
    }

    func run() throws {
        // Packing is serial and needs no MPI: under mpirun, rank 0 packs.
        Launch.leaveToFirstProcess(code: 0)
        let console = Console(isSilent: false)
        var options = JetPacker.Options()
        options.compression = compression
        if let maxConstituents { options.maxConstituents = maxConstituents }
        options.jets = jets
        options.allowsEmptyJets = allowEmptyJets
        console.say(try pack(sources, to: OutputFile(output, overwrites: force), options, console: console))
    }
}

/// `kaon pack`: writes data files into one packed file, which is complete or absent.
///
/// Returns a summary in one sentence. Throws `HDF5Error`, `JetError` if the sources cannot be packed, and `KaonError`
/// if the output exists and must not be replaced, or cannot be written.
package func pack(
    _ sources: [String], to output: OutputFile, _ options: JetPacker.Options, console: Console
) throws -> String {
    var options = options
    options.creator = "kaon \(kaonVersion)"
    let packer = try JetPacker(sources, options: options)
    try output.check(inputs: packer.paths)
    let leftOut = packer.leftOut
    if !leftOut.isEmpty {
        let others = leftOut.count > 5 ? " and \(leftOut.count - 5) more" : ""
        console.warn("not copied: \(leftOut.prefix(5).joined(separator: ", "))\(others)")
    }
    var summary: JetPacker.Summary?
    try createFolder(of: output.path)
    try replaceFile(output.path) { root in
        summary = try packer.write(to: root) { done, all in
            console.progress("packed", jets: done, of: all)
        }
    }
    console.endProgress()
    let (before, after) = (packer.paths.reduce(0) { $0 + fileSize($1) }, fileSize(output.path))
    return
        "\(output.path): \(plural(summary!.jets, "jet")) with \(plural(summary!.constituents, "constituent")), "
        + "\(megabytes(after)) of \(megabytes(before))"
}
