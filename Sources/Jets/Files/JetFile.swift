import HDF5
import MPI

/// A file of jets, whatever its layout.
package protocol JetFile: AnyObject, Sendable {
    /// The path as given.
    var path: String { get }
    /// The number of jets.
    var count: Int { get }
    /// The number of jets that is best read at once: a multiple of the chunk length where chunks are small.
    var blockRows: Int { get }
    /// The names of the classes by label; empty where the file does not tell.
    var classNames: [String] { get }
    /// Reads jets. Throws `HDF5Error`, or `JetError` at values that cannot be used.
    func read(rows: Range<Int>) throws -> JetBlock
    /// Reads labels alone. Throws as `read(rows:)`.
    func labels(rows: Range<Int>) throws -> [Int32]
    /// The number of constituents that each jet is read with, found without reading them. Throws as
    /// `read(rows:)`.
    func constituentCounts(rows: Range<Int>) throws -> [Int]
}

/// Opens a file of either layout and checks its structure; collective if a communicator is given.
///
/// - Parameter constituentLabels: datasets with a whole number for each constituent that are read too.
///
/// Throws `HDF5Error` or `AgreedError` where there is no such file, and `JetError` where its structure does
/// not fit.
package func openJetFile(
    _ path: String, maxConstituents: Int, constituentLabels: [String] = [], on communicator: Communicator? = nil
) throws -> any JetFile {
    // Blocks are whole chunks, or larger than them: a cache would only keep what is not asked for again.
    let file = try File(opening: path, on: communicator, chunkCacheBytes: 128 << 10)
    return file.root.contains(PackedLayout.mark)
        ? try PackedFile(
            path: path, file: file, maxConstituents: maxConstituents, constituentLabels: constituentLabels)
        : try PaddedFile(
            path: path, file: file, maxConstituents: maxConstituents, constituentLabels: constituentLabels)
}
