internal import CKernels
import MPI
import Tensors

/// Exchange of one part of the gradients between the ranks of the same place in all groups, each of which receives the
/// elements that it owns from all others and adds them in the order of the groups.
///
/// In bfloat16, gradients are rounded once, before they are sent; they are added in single precision.
final class GroupExchange {
    private let gradients: Tensor
    private let own: Range<Int>
    private let peers: Communicator
    private let pending: PendingCollective
    private let received: Received
    private var isDone = false
    /// The sum of the squares of the elements that this rank owns, once their sum is in place.
    private(set) var sumOfSquares = 0.0

    private enum Received {
        case single(TensorPart)
        case bfloat16(Message<UInt16>)
    }

    /// Starts the exchange. Throws `MPIError`.
    ///
    /// - Parameter owned: the elements of each rank of `peers`, consecutive ranges.
    init(_ gradients: Tensor, _ owned: [Range<Int>], _ precision: Precision, on peers: Communicator) throws {
        (self.gradients, self.peers, own) = (gradients, peers, owned[peers.rank])
        let sent = owned.map(\.count)
        let counts = sent.map { [own] _ in own.count }
        let all = owned[0].lowerBound..<owned[owned.count - 1].upperBound
        let total = own.count * peers.size
        switch precision {
        case .single:
            let scratch = Tensor(shape: [total])
            let message = TensorPart(scratch, 0..<total)
            received = .single(message)
            pending = try peers.startExchange(
                sending: TensorPart(gradients, all), counts: sent, receiving: message, counts: counts)
        case .bfloat16:
            let (out, message) = (Message<UInt16>(count: all.count), Message<UInt16>(count: total))
            let n = Int64(all.count)
            if n > 0 { ck_narrow(out.elements.baseAddress!, n, gradients.pointer + all.lowerBound, n, 1, n) }
            received = .bfloat16(message)
            pending = try peers.startExchange(sending: out, counts: sent, receiving: message, counts: counts)
        }
    }

    /// True once the sum is in place; also lets MPI progress. Throws `MPIError`.
    func advance() throws -> Bool {
        if !isDone, try pending.test() { add() }
        return isDone
    }

    /// Waits for the sum. Throws `MPIError`.
    func wait() throws {
        guard !isDone else { return }
        try pending.wait()
        add()
    }

    /// Gives the exchange up, before an error ends the job.
    func abandon() { pending.abandon() }

    private func add() {
        isDone = true
        guard !own.isEmpty else { return }
        let (sum, width) = (gradients.pointer + own.lowerBound, own.count)
        switch received {
        case .single(let message):
            let parts = (0..<peers.size).map {
                UnsafePointer(message.elements.baseAddress! + $0 * width) as UnsafePointer?
            }
            sumOfSquares = ck_sum_of_parts(sum, parts, Int64(parts.count), Int64(width))
        case .bfloat16(let message):
            sum.update(repeating: 0, count: width)
            ck_narrow_column_sum(sum, message.elements.baseAddress!, Int64(peers.size), Int64(width))
            sumOfSquares = ck_sum_of_squares(sum, Int64(width))
        }
    }
}
