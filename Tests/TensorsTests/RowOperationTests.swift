import Tensors
import Testing

/// Gathered rows, residual sums and affine maps.
@Suite struct RowOperationTests {
    /// Several sources, one of them unused and one empty; rows picked twice, and runs that cross from source
    /// to source.
    @Test(arguments: awkwardWidths) func gatherRows(channels: Int) {
        let sources = [3, 0, 4, 2, 5].enumerated().map {
            randomTensor([$1, channels], seed: UInt64(20 + $0))
        }
        // 7 and 8 would be the fourth source.
        let index: [Int32] = [2, 3, 4, 2, 2, 13, 0, 6, 9, 10, 1, 5, 6, 12, 3, 9]
        OperationCheck(
            inputs: sources, operation: { $0.gatherRows($1, index: index) },
            reference: { Reference.gatherRows($0, index, channels: channels) }
        ).run()
    }

    @Test(arguments: awkwardWidths) func embedding(channels: Int) {
        let index: [Int32] = [4, 4, 0, 1, 4, 0, 3]
        OperationCheck(
            inputs: [randomTensor([5, channels], seed: 3)], operation: { $0.embedding($1[0], index: index) },
            reference: { Reference.gatherRows($0, index, channels: channels) }
        ).run()
    }

    /// Enough columns for several threads; rows of one source only; no rows.
    @Test func gatherOfManyOrNoRows() {
        let table = randomTensor([7, 200], seed: 5)
        let index = randomIndices(300, below: 7, seed: 6)
        OperationCheck(
            inputs: [table], operation: { $0.embedding($1[0], index: index) },
            reference: { Reference.gatherRows($0, index, channels: 200) }, elements: 8
        ).run()
        OperationCheck(
            inputs: [table, table.copy()], operation: { $0.gatherRows($1, index: []) },
            reference: { _ in [] },
            elements: 5
        ).run()
    }

    /// The same matrix may be several of the sources.
    @Test func gatherFromOneVariableTwice() {
        let index: [Int32] = [0, 5, 2, 3, 3]
        OperationCheck(
            inputs: [randomTensor([3, 4], seed: 8)],
            operation: { $0.gatherRows([$1[0], $1[0]], index: index) },
            reference: { Reference.gatherRows([$0[0], $0[0]], index, channels: 4) }
        ).run()
    }

    /// Only variables that require a gradient receive one.
    @Test func gatherLeavesConstantsAlone() {
        let (constant, leaf) = (
            Variable(constant: randomTensor([2, 3], seed: 1)), Variable(leaf: .init(shape: [2, 3]))
        )
        let tape = Tape()
        let y = tape.gatherRows([constant, leaf], index: [0, 3])
        tape.backward(from: y, seed: Tensor(repeating: 1, shape: [2, 3]))
        #expect(constant.gradient == nil)
        #expect(leaf.gradient?.array == [0, 0, 0, 1, 1, 1])
    }

    @Test(arguments: awkwardWidths) func add(channels: Int) {
        OperationCheck(
            inputs: [randomTensor([3, channels], seed: 1), randomTensor([3, channels], seed: 2)],
            operation: { $0.add($1[0], $1[1]) }, reference: { Reference.residual($0[0], $0[1], nil) }
        ).run()
    }

    @Test(arguments: awkwardWidths) func residual(channels: Int) {
        OperationCheck(
            inputs: [randomTensor([3, channels], seed: 1), randomTensor([3, channels], seed: 2)],
            operation: { $0.residual($1[0], $1[1]) }, reference: { Reference.residual($0[0], $0[1], nil) }
        ).run()
    }

    @Test(arguments: awkwardWidths) func scaledResidual(channels: Int) {
        OperationCheck(
            inputs: [
                randomTensor([5, channels], seed: 1), randomTensor([5, channels], seed: 2),
                randomTensor([channels], seed: 3),
            ],
            operation: { $0.residual($1[0], $1[1], scale: $1[2]) },
            reference: { Reference.residual($0[0], $0[1], $0[2]) }
        ).run()
    }

    @Test(arguments: awkwardWidths, [false, true]) func linear(width: Int, hasBias: Bool) {
        for (inputs, outputs) in [(width, 4), (4, width), (width, width)] {
            var tensors = [randomTensor([7, inputs], seed: 1), randomTensor([outputs, inputs], seed: 2)]
            if hasBias { tensors.append(randomTensor([outputs], seed: 3)) }
            OperationCheck(
                inputs: tensors,
                operation: { $0.linear($1[0], weight: $1[1], bias: hasBias ? $1[2] : nil) },
                reference: { Reference.linear($0[0], $0[1], hasBias ? $0[2] : nil, inputs: inputs) },
                elements: 24
            ).run()
        }
    }

    /// Without tokens the gradients of the parameters are zero, not the previous contents of the memory.
    @Test func linearOfNoRows() {
        OperationCheck(
            inputs: [Tensor(shape: [0, 17]), randomTensor([5, 17], seed: 2), randomTensor([5], seed: 3)],
            operation: { $0.linear($1[0], weight: $1[1], bias: $1[2]) }, reference: { _ in [] }
        ).run()
    }

    /// The counted operations are those of the matrix products: 2 · T · I · O for each of the three.
    @Test func linearCountsItsOperations() {
        let tape = Tape()
        let y = tape.linear(
            Variable(leaf: randomTensor([5, 3], seed: 1)),
            weight: Variable(leaf: randomTensor([7, 3], seed: 2)),
            bias: nil)
        #expect(tape.operations == 210)
        tape.backward(from: y, seed: Tensor(repeating: 1, shape: [5, 7]))
        #expect(tape.operations == 630)
    }
}
