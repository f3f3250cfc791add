import MPI
import NN
import Synchronization
import System
import Tensors

/// The parameters of a model on all ranks of a job.
///
/// The ranks of a group have one copy of the values, in memory that they share, and can read each other's gradients.
/// Each element has one owner in the job, which has its optimizer state and updates it. `publish` then copies the new
/// values to the other groups.
package final class DistributedParameters {
    package let store: ParameterStore
    package let ranks: RankGroups
    package let partition: Partition
    /// The elements that this rank owns.
    package let owned: ElementRanges
    /// Flat gradient buffers of the ranks of the group, by rank.
    let gradients: [Tensor]
    /// For each rank of the group, the number of messages of all steps so far whose gradients are final; nil for a
    /// group of one rank.
    let finalMessages: SharedCounters?
    /// Layouts of the weights for bfloat16 products, which the ranks of the group share.
    private let layouts: WeightLayouts?

    /// Moves the parameters of a store into memory that the ranks of each group share; collective.
    ///
    /// If the system refuses the memory to any group, every rank keeps a private copy, and `warn` is called with the
    /// reason.
    ///
    /// - Parameters:
    ///   - largestGroup: the most ranks that share memory; 1 for none, nil for the ranks of a host.
    ///   - precision: precision of the products in which the weights are factors.
    ///   - whole: indices of the parameters that the optimizer needs whole.
    package init(
        _ store: ParameterStore, largestGroup: Int? = nil, precision: Precision = .single,
        messageElements: Int? = nil, whole: Set<Int> = [], on communicator: Communicator,
        warn: (String) -> Void = { _ in }
    ) throws {
        var ranks = try RankGroups(largest: largestGroup, on: communicator)
        let layoutElements = precision == .bfloat16 ? WeightLayouts.elements(of: store) : 0
        layoutBytes = layoutElements * ScalarType.bfloat16.size
        var memory: GroupMemory?
        do {
            memory = try communicator.agree { try GroupMemory(of: store, layoutElements, for: ranks.group) }
        } catch let error as AgreedError {
            warn(
                "\(error); each rank keeps its own copy of the weights. Ranks that share memory need to see each "
                    + "other's processes (one process namespace for the containers of a host) and free memory")
            ranks = try RankGroups(largest: 1, on: communicator)
        }
        (self.store, self.ranks) = (store, ranks)
        partition = Partition(store, ranks, messageElements: messageElements, whole: whole)
        owned = partition.owned(place: ranks.group.rank, group: ranks.index)
        if let memory {
            // Each rank first writes what it will update, so that it is in memory near it.
            if ranks.peers != nil {
                for message in partition.messages {
                    let part = partition.part(of: message, place: ranks.group.rank)
                    (memory.values.pointer + part.lowerBound).update(
                        from: store.values.pointer + part.lowerBound, count: part.count)
                }
            }
            let own = memory.gradients[ranks.group.rank]
            own.buffer.update(repeating: 0)
            store.move(values: memory.values, gradients: own)
            // The private copies.
            Arena.shared.releaseFreeMemory()
            (gradients, finalMessages, sharedBytes) = (memory.gradients, memory.counters, memory.bytes)
            layouts = memory.layouts.map { WeightLayouts(store, in: $0) }
            // All ranks have written their parts.
            try ranks.group.barrier()
        } else {
            (gradients, finalMessages, sharedBytes) = ([store.gradients], nil, 0)
            layouts =
                layoutElements > 0
                ? WeightLayouts(store, in: Tensor(shape: [layoutElements], elementType: .bfloat16)) : nil
        }
    }

    /// Runs `body` with the weights laid out for bfloat16 products; it must not change them. Each rank of a group lays
    /// out a part of the weights for all of them. Collective. Throws `MPIError` and the errors of `body`.
    package func withLayouts<Result>(_ body: () throws -> Result) throws -> Result {
        guard let layouts else { return try body() }
        layouts.update(part: ranks.group.rank, of: ranks.group.size)
        if ranks.group.size > 1 { try ranks.group.barrier() }
        layouts.attach()
        defer { layouts.detach() }
        return try body()
    }

    /// The summed gradients of all elements on rank 0; nil on other ranks. Collective. Throws `MPIError`.
    package func collectedGradients() throws -> Tensor? {
        let all = Tensor(repeating: 0, shape: store.gradients.shape)
        for part in owned.parts {
            (all.pointer + part.elements.lowerBound).update(
                from: store.gradients.pointer + part.elements.lowerBound, count: part.elements.count)
        }
        // Each element has one owner; the others add zeros.
        try ranks.all.allReduce(all.buffer)
        return ranks.all.rank == 0 ? all : nil
    }

    /// Number of bytes that this rank's group shares; 0 for a group of one rank.
    package let sharedBytes: Int

    /// Number of bytes of the layouts of the weights, which are among the shared ones if there are any.
    package let layoutBytes: Int

    /// Makes the values that the ranks have written for the elements they own visible on all ranks. Collective. Throws
    /// `MPIError`.
    package func publish() throws {
        if let peers = ranks.peers, peers.size > 1 {
            var pending: [PendingCollective] = []
            do {
                for message in partition.messages {
                    let parts = partition.owned(of: message, place: ranks.group.rank)
                    let all = parts[0].lowerBound..<parts[parts.count - 1].upperBound
                    pending.append(
                        try peers.startAllGather(TensorPart(store.values, all), counts: parts.map(\.count)))
                }
                for gather in pending { try gather.wait() }
            } catch {
                // The error must not be hidden by the release of the others.
                for gather in pending { gather.abandon() }
                throw error
            }
        }
        if ranks.group.size > 1 { try ranks.group.barrier() }
    }
}

/// One piece of memory for the values, all gradients, the layouts of the weights and the counters of a group.
private struct GroupMemory {
    let values: Tensor
    let gradients: [Tensor]
    /// bfloat16; nil for none.
    let layouts: Tensor?
    let counters: SharedCounters
    let bytes: Int

    /// Nil for a single rank, which needs none. Throws `KaonError` where the system refuses the memory.
    init?(of store: ParameterStore, _ layoutElements: Int, for group: Communicator) throws {
        guard group.size > 1 else { return nil }
        let count = store.values.count
        // Whole pages, so that each gradient buffer is near the rank that writes it.
        func pages(_ bytes: Int) -> Int { (bytes + 4095) / 4096 * 4096 }
        let flat = pages(count * ScalarType.float32.size)
        let layoutsStart = (1 + group.size) * flat
        let countersStart = layoutsStart + pages(layoutElements * ScalarType.bfloat16.size)
        bytes = countersStart + SharedCounters.bytes(group.size)
        let memory = try Self.memory(bytes: bytes, for: group)
        let tensors = (0...group.size).map {
            Tensor(at: memory.address + $0 * flat, shape: [count], owner: memory)
        }
        (values, gradients) = (tensors[0], Array(tensors.dropFirst()))
        layouts =
            layoutElements > 0
            ? Tensor(
                at: memory.address + layoutsStart, shape: [layoutElements], elementType: .bfloat16, owner: memory)
            : nil
        counters = SharedCounters(
            at: memory.address + countersStart, count: group.size, own: group.rank, owner: memory)
    }

    private static func memory(bytes: Int, for group: Communicator) throws -> SharedMemory {
        // Each rank takes part in all collectives of the group, whatever fails.
        var result = Result { group.rank == 0 ? try SharedMemory(bytes: bytes) : nil }
        let path = try group.broadcast((try? result.get()?.path) ?? "")
        let inode = try group.broadcast([(try? result.get()?.inode) ?? 0])[0]
        if group.rank > 0 { result = Result { try SharedMemory(path, inode: inode, bytes: bytes) } }
        try group.barrier()
        let memory = try result.get()!
        memory.hasBeenMapped()
        return memory
    }
}

/// Counters in shared memory, one for each rank of a group, which that rank alone writes.
struct SharedCounters {
    private static let stride = 128  // two lines of a cache, which processors fetch together
    private let address: UnsafeMutableRawPointer
    private let count: Int
    private let own: Int
    private let owner: AnyObject

    static func bytes(_ count: Int) -> Int { count * stride }

    /// The memory holds zeros.
    init(at address: UnsafeMutableRawPointer, count: Int, own: Int, owner: AnyObject) {
        (self.address, self.count, self.own, self.owner) = (address, count, own, owner)
    }

    /// The lowest counter.
    var minimum: Int { (0..<count).reduce(.max) { min($0, counter($1).pointee.load(ordering: .acquiring)) } }

    /// The counter of this rank.
    var ownValue: Int { counter(own).pointee.load(ordering: .relaxed) }

    /// Sets the counter of this rank. What it wrote before is visible to a rank that reads the new value.
    func set(_ value: Int) { counter(own).pointee.store(value, ordering: .releasing) }

    private func counter(_ index: Int) -> UnsafeMutablePointer<Atomic<Int>> {
        (address + index * Self.stride).assumingMemoryBound(to: Atomic<Int>.self)
    }
}

/// Elements of a tensor as the buffer of a message.
final class TensorPart: MessageBuffer {
    let elements: UnsafeMutableBufferPointer<Float>
    private let storage: Tensor  // keeps the memory alive

    init(_ storage: Tensor, _ range: Range<Int>) {
        self.storage = storage
        elements = UnsafeMutableBufferPointer(rebasing: storage.buffer[range])
    }
}
