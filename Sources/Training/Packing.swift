import Foundation
import Jets

/// `kaon pack`: files of jets into one packed file, which is there complete or not at all.
///
/// Returns a sentence about what was written. Throws `HDF5Error`, `JetError` at what cannot be packed, and
/// `TrainingError` where the output is there already and `overwrites` is false, or cannot be written.
public func pack(
    _ sources: [String], to output: String, compression: Int, maxConstituents: Int, jets: Int?,
    overwrites: Bool,
    console: Console
) throws -> String {
    guard overwrites || !FileManager.default.fileExists(atPath: output) else {
        throw TrainingError("\(output) is there already; give another name, or --force to replace it")
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
