import MPI
import Synchronization
import System
import Tensors

/// Gives each rank its part of every global batch: order, reading, packing, preprocessing.
///
/// The part of a rank is `Communicator.share` of the batch, which may be empty. It depends on nothing but the
/// arguments: any step of any epoch may be asked for at any time, from any thread.
package final class JetLoader: Sendable {
    /// Names a batch.
    package struct Request: Hashable, Sendable, CustomStringConvertible {
        package let epoch: Int
        package let step: Int

        package init(epoch: Int, step: Int) {
            self.epoch = epoch
            self.step = step
        }

        package var description: String { "step \(step) of epoch \(epoch)" }
    }

    /// Where the jets come from.
    package let dataset: JetDataset
    /// Which jets make up a batch.
    package let order: JetOrder
    /// What turns stored features into inputs.
    package let preprocessing: any Preprocessing
    /// Whether batches carry momenta.
    package let carriesMomenta: Bool
    /// The epoch whose random numbers the preprocessing draws; nil for those of each epoch.
    package let noiseEpoch: Int?
    /// The number of this rank.
    package let rank: Int
    /// The number of ranks that share each batch.
    package let size: Int
    /// The number of global batches that visit every jet once.
    package var stepsPerEpoch: Int { order.stepsPerEpoch }
    /// The class of every label; nil where labels are given as stored.
    private let classOfLabel: [Int32]?
    private let cache: Mutex<LeastRecentlyUsed<JetBlock>>
    /// What the cache may hold beyond a window of blocks: a small set is read from the disk once.
    package static let cacheBytes = 64 << 20

    /// Batches of `batchSize` jets over all ranks; `rank` and `size` are those of the dataset's communicator
    /// unless given.
    ///
    /// Without `shuffle` the jets come in the order of the files, and a batch depends on the epoch only
    /// through the random numbers of the preprocessing: validation uses one epoch throughout.
    ///
    /// - Parameter classOfLabel: what the labels of the batches become (`JetClasses.indices`); nil for labels as
    ///   stored.
    package init(
        dataset: JetDataset, preprocessing: any Preprocessing, batchSize: Int, seed: UInt64,
        shuffle: Bool = true, carriesMomenta: Bool = false, noiseEpoch: Int? = nil, classOfLabel: [Int32]? = nil,
        windowBlocks: Int = 64, rank: Int? = nil, size: Int? = nil
    ) {
        self.dataset = dataset
        self.classOfLabel = classOfLabel
        self.preprocessing = preprocessing
        self.carriesMomenta = carriesMomenta
        self.noiseEpoch = noiseEpoch
        order = JetOrder(
            dataset.numbering, windowBlocks: windowBlocks, batchSize: batchSize, seed: seed, shuffle: shuffle)
        self.rank = rank ?? dataset.communicator.rank
        self.size = size ?? dataset.communicator.size
        invariant(self.rank >= 0 && self.rank < self.size, "rank \(self.rank) of \(self.size)")
        // A window must stay; some more blocks let a batch cross from one window into the next.
        cache = Mutex(
            LeastRecentlyUsed(minimum: shuffle ? windowBlocks + 4 : 4, budget: Self.cacheBytes) { $0.bytes })
    }

    /// This rank's part of batch `step` (below `stepsPerEpoch`) of an epoch.
    ///
    /// Throws `HDF5Error` or `JetError`, which name the file and the row.
    package func batch(epoch: Int, step: Int) throws -> JetBatch {
        let jets = order.jets(epoch: epoch, step: step)
        return try batch(
            jets: Array(jets[Communicator.share(of: jets.count, rank: rank, size: size)]), epoch: epoch)
    }

    /// The named jets (global indices), best in the order of storage. Throws as `batch(epoch:step:)`.
    package func batch(jets: [Int], epoch: Int) throws -> JetBatch {
        let parts = try parts(of: jets)
        var offsets: [Int32] = [0]
        var labels: [Int32] = []
        offsets.reserveCapacity(jets.count + 1)
        labels.reserveCapacity(jets.count)
        for part in parts {
            for row in part.rows {
                let count = part.block.offsets[row + 1] - part.block.offsets[row]
                offsets.append(offsets[offsets.count - 1] + count)
                labels.append(classOfLabel.map { $0[Int(part.block.labels[row])] } ?? part.block.labels[row])
            }
        }
        let tokens = Int(offsets[jets.count])
        let values = Tensor(shape: [tokens, preprocessing.features.count])
        let identities = [Int32](unsafeUninitializedCapacity: tokens) { identities, initialized in
            var token = 0
            for part in parts { fill(part, epoch: noiseEpoch ?? epoch, values.pointer, identities, token: &token) }
            initialized = tokens
        }
        return JetBatch(
            jets: jets, epoch: epoch, offsets: Offsets(offsets), values: values, identities: identities,
            labels: labels, constituentLabels: constituentLabels(of: parts, tokens: tokens),
            momenta: carriesMomenta ? momenta(of: parts, tokens: tokens) : nil)
    }

    private func constituentLabels(of parts: [Part], tokens: Int) -> [[Int32]] {
        dataset.constituentLabels.indices.map { index in
            var labels: [Int32] = []
            labels.reserveCapacity(tokens)
            for part in parts {
                for row in part.rows {
                    let range = Int(part.block.offsets[row])..<Int(part.block.offsets[row + 1])
                    labels += part.block.constituentLabels[index][range]
                }
            }
            return labels
        }
    }

    private func momenta(of parts: [Part], tokens: Int) -> [SIMD3<Float>] {
        var momenta: [SIMD3<Float>] = []
        momenta.reserveCapacity(tokens)
        let stored = JetFeatures.allNames.count
        for part in parts {
            for row in part.rows {
                for token in Int(part.block.offsets[row])..<Int(part.block.offsets[row + 1]) {
                    let first = token * stored
                    momenta.append(
                        SIMD3(
                            part.block.values[first], part.block.values[first + 1],
                            part.block.values[first + 2]))
                }
            }
        }
        return momenta
    }

    /// Jets of a batch that follow each other and lie in one block.
    private struct Part {
        let block: JetBlock
        let jets: ArraySlice<Int>
        let rows: [Int]
    }

    private func parts(of jets: [Int]) throws -> [Part] {
        try cache.withLock { cache in
            var parts: [Part] = []
            var start = 0
            while start < jets.count {
                let number = dataset.layout.block(ofJet: jets[start])
                let range = dataset.layout.jets(ofBlock: number)
                let end = jets[start...].firstIndex { !range.contains($0) } ?? jets.count
                let block = try cache.value(number) { try dataset.read(block: number) }
                let rows = jets[start..<end].map { dataset.numbering.place(ofJet: $0, inBlock: number) }
                parts.append(Part(block: block, jets: jets[start..<end], rows: rows))
                start = end
            }
            return parts
        }
    }

    private func fill(
        _ part: Part, epoch: Int, _ values: UnsafeMutablePointer<Float>,
        _ identities: UnsafeMutableBufferPointer<Int32>, token: inout Int
    ) {
        let (stored, width) = (JetFeatures.allNames.count, preprocessing.features.count)
        part.block.values.withUnsafeBufferPointer { blockValues in
            part.block.identities.withUnsafeBufferPointer { blockIdentities in
                guard let from = blockValues.baseAddress, let kinds = blockIdentities.baseAddress else {
                    return
                }
                for (jet, row) in zip(part.jets, part.rows) {
                    let first = Int(part.block.offsets[row])
                    let count = Int(part.block.offsets[row + 1]) - first
                    preprocessing.apply(
                        to: from + first * stored, identities: kinds + first, count: count, jet: jet,
                        epoch: epoch, seed: order.seed, into: values + token * width)
                    for index in 0..<count { identities[token + index] = Int32(kinds[first + index]) }
                    token += count
                }
            }
        }
    }

    /// A prefetcher of this rank's batches; it reads ahead on a thread where MPI allows reading from one.
    package func prefetcher() -> Prefetcher<Request, JetBatch> {
        let isThreaded = dataset.communicator.size == 1 || MPIEnvironment.threadLevel == .multiple
        return Prefetcher(rank: size > 1 ? rank : nil, isThreaded: isThreaded) { [self] in
            try batch(epoch: $0.epoch, step: $0.step)
        }
    }
}
