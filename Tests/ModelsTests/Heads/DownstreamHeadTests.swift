import Models
import NN
import Tensors
import Testing

/// Class attention and vertexing.
@Suite struct DownstreamHeadTests {
    private func pooling(dropout: Double = 0) -> (head: ClassAttentionPooling, store: ParameterStore) {
        let builder = ParameterBuilder()
        let head = ClassAttentionPooling(
            .init(inputs: 12, outputs: 5, width: 16, dropout: dropout), in: builder.root)
        let store = builder.build(seed: 1)
        store.randomize()
        return (head, store)
    }

    /// The output does not depend on the order of the constituents or on other jets; an empty jet has an output, too.
    @Test func poolingOfSets() {
        let (head, _) = pooling()
        let counts = [3, 0, 1, 6]
        let x = randomTensor([10, 12], seed: 1)
        func answer(_ x: Tensor, _ counts: [Int]) -> Tensor {
            head(Variable(constant: x), offsets: Offsets(counts: counts), on: Tape(recording: false)).value
        }
        let together = answer(x, counts)
        #expect(together.shape == [4, 5] && together.array.allSatisfy { $0.isFinite })
        for (jet, rows) in [[2, 0, 1], [], [3], [9, 4, 6, 5, 8, 7]].enumerated() {
            let alone = answer(x.picking(rows), [rows.count])
            #expect(alone.distance(to: together.rows(jet..<jet + 1)) < 1e-5)
        }
        #expect(together.rows(0..<1).distance(to: together.rows(3..<4)) > 1e-2)
    }

    /// Dropout depends on the keys of the jets; without keys there is none.
    @Test func dropout() {
        let ((head, _), (plain, _)) = (pooling(dropout: 0.5), pooling())
        let x = Variable(constant: randomTensor([7, 12], seed: 1))
        let offsets = Offsets(counts: [3, 4])
        func answer(_ head: ClassAttentionPooling, _ jets: [Int]?) -> Tensor {
            let keys = jets.map {
                TokenKeys(
                    seed: 1, epoch: 0, jets: $0, offsets: Offsets(counts: repeatElement(1, count: $0.count)))
            }
            return head(x, offsets: offsets, keys: keys, on: Tape(recording: false)).value
        }
        #expect(answer(head, nil).array == answer(plain, nil).array)
        #expect(answer(head, [5, 9]).array == answer(head, [5, 9]).array)
        #expect(answer(head, [5, 9]).distance(to: answer(head, nil)) > 1e-2)
        let (first, second) = (answer(head, [5, 9]), answer(head, [5, 8]))
        #expect(first.rows(0..<1).array == second.rows(0..<1).array)
        #expect(first.rows(1..<2).distance(to: second.rows(1..<2)) > 1e-3)
    }

    /// The logit of a pair is symmetric; jets of zero, one and two constituents.
    @Test func pairs() throws {
        let builder = ParameterBuilder()
        let head = VertexingHead(.init(inputs: 6, width: 16, layers: 2, distances: 8), in: builder.root)
        let store = builder.build(seed: 1)
        let x = randomTensor([7, 6], seed: 1)
        func logits(_ rows: [Int], _ counts: [Int]) -> [Float] {
            let offsets = Offsets(counts: counts)
            return head(Variable(constant: x.picking(rows)), offsets: offsets, on: Tape(recording: false))
                .value.array
        }
        let together = logits(Array(0..<7), [4, 0, 1, 2])
        #expect(together.count == 7)
        #expect(zip(logits([6, 5], [2]), together[6...]).allSatisfy { abs($0 - $1) < 1e-6 })
        // (0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3) for the reversed jet.
        let turned = [5, 4, 2, 3, 1, 0].map { together[$0] }
        #expect(zip(logits([3, 2, 1, 0], [4]), turned).allSatisfy { abs($0 - $1) < 1e-6 })

        let tape = Tape()
        let y = head(Variable(constant: x), offsets: Offsets(counts: [4, 0, 1, 2]), on: tape)
        _ = tape.focalLoss(y, target: [true, false, true, false, true, false, true], gamma: 3, scale: 1)
        tape.backward()
        for parameter in store.parameters where parameter.name != "f.layers.2.bias" {
            #expect(parameter.variable.gradient.map { $0.sumOfSquares > 0 } == true, "\(parameter.name)")
        }
    }
}
