import Foundation
import HDF5
import Jets
import MPI
import Tensors

/// One rank alone; starts MPI where it does not run.
let alone: Communicator = {
    startMPI()
    return .selfOnly
}()

func startMPI() {
    do {
        try MPIEnvironment.initialize()
        // mpirun takes an exit without this for a crash.
        atexit { MPIEnvironment.finalize() }
    } catch {
        fatalError("the tests need MPI: \(error)")
    }
}

/// The path of a sample file: `train`, `val` or `test`.
func sample(_ name: String) -> String {
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("Fixtures/jets/\(name).h5").path
}

/// A new path for a file, removed with its folder when `body` returns.
func withScratchFile<R>(_ name: String = "jets.h5", _ body: (String) throws -> R) throws -> R {
    // Alone, MPI starts a daemon, which inherits open files and with them their locks: it must come first.
    startMPI()
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("kaon-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    return try body(folder.appendingPathComponent(name).path)
}

/// A small padded file in memory, right until a test breaks it.
struct JetFixture {
    var slots: Int
    var features: [Float]  // jets × slots × 7
    var identities: [Int32]  // jets × slots
    var mask: [UInt8]  // jets × slots
    var labels: [Int]
    var classNames: [String]? = ["QCD", "top", "W"]
    var featureNames: [String]?
    var chunk = 10
    var missing: Set<String> = []

    var jets: Int { labels.count }

    /// Jets of 0 … slots constituents; the values tell jet and slot.
    init(jets: Int, slots: Int = 6, seed: UInt64 = 1) {
        self.slots = slots
        var random = RandomSequence(RandomKey(seed: seed, stream: .sampling))
        features = []
        identities = []
        mask = []
        labels = []
        for jet in 0..<jets {
            let used = jet % (slots + 1)
            labels.append(jet % 3)
            for slot in 0..<slots {
                mask.append(slot < used ? 1 : 0)
                identities.append(slot < used ? Int32(random.below(8)) : -1)
                features.append(slot < used ? Float(jet * 100 + slot) : .nan)
                for _ in 1..<7 { features.append(slot < used ? random.normal() : .infinity) }
            }
        }
    }

    func write(to path: String) throws {
        let file = try File(creating: path)
        if let csts = try create("csts", .float32, [jets, slots, 7], features, in: file.root),
            let featureNames
        {
            try csts.setAttribute("names", to: featureNames)
        }
        _ = try create("csts_id", .int32, [jets, slots], identities, in: file.root)
        _ = try create("mask", .boolean, [jets, slots], mask, in: file.root)
        if let dataset = try create("labels", .int64, [jets], labels, in: file.root), let classNames {
            try dataset.setAttribute("names", to: classNames)
        }
        try file.close()
    }

    private func create<T: HDF5Scalar>(
        _ name: String, _ type: ElementType, _ shape: [Int], _ values: [T], in group: borrowing Group
    ) throws -> Dataset? {
        guard !missing.contains(name) else { return nil }
        let dataset = try group.createDataset(
            name, of: type, shape: shape, chunks: [min(chunk, shape[0])] + shape.dropFirst(),
            filters: .deflate(1))
        try values.withUnsafeBufferPointer { try dataset.write(rows: 0..<shape[0], from: $0) }
        return dataset
    }
}

/// What an operation throws, in words; "" where it does not throw.
func failure(_ work: () throws -> Void) -> String {
    do {
        try work()
        return ""
    } catch {
        return "\(error)"
    }
}
