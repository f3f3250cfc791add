import Foundation
import HDF5
import Jets
import Tensors

extension JetReading {
    /// Reads also jets without constituents, which most fixtures have.
    static let withEmptyJets = JetReading(allowsEmptyJets: true)
}

/// A small padded file in memory; valid until a test changes it.
struct JetFixture {
    var slots: Int
    /// `[jets, slots, 7]`.
    var features: [Float]
    /// `[jets, slots]`.
    var identities: [Int32]
    /// `[jets, slots]`.
    var mask: [UInt8]
    var labels: [Int]
    var classNames: [String]? = ["QCD", "top", "W"]
    var featureNames: [String]?
    var chunk = 10
    var missing: Set<String> = []

    var jets: Int { labels.count }

    /// Jets with 0 … slots constituents, or 1 … slots with `minimum` 1; pT is 100 · jet + 99 − slot.
    init(jets: Int, slots: Int = 6, minimum: Int = 0, seed: UInt64 = 1) {
        self.slots = slots
        var random = RandomSequence(RandomKey(seed: seed, stream: .sampling))
        features = []
        identities = []
        mask = []
        labels = []
        for jet in 0..<jets {
            let used = minimum + jet % (slots + 1 - minimum)
            labels.append(jet % 3)
            for slot in 0..<slots {
                mask.append(slot < used ? 1 : 0)
                identities.append(slot < used ? Int32(random.below(8)) : -1)
                features.append(slot < used ? Float(jet * 100 + 99 - slot) : .nan)
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

    /// Writes the same jets in the packed format, optionally with other offsets.
    func writePacked(to path: String, offsets: [Int]? = nil) throws {
        let file = try File(creating: path)
        let slots = mask.indices.filter { mask[$0] != 0 }
        var starts = [0]
        for jet in 0..<jets {
            starts.append(starts[jet] + mask[jet * self.slots..<(jet + 1) * self.slots].count { $0 != 0 })
        }
        let used = slots.count
        _ = try create("offsets", .int64, [jets + 1], offsets ?? starts, in: file.root)
        let csts = try create(
            "csts", .float32, [used, 7], slots.flatMap { features[$0 * 7..<$0 * 7 + 7] }, in: file.root)
        if let csts, let featureNames { try csts.setAttribute("names", to: featureNames) }
        _ = try create("csts_id", .int32, [used], slots.map { identities[$0] }, in: file.root)
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
